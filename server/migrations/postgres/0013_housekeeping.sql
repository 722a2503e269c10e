-- Who takes out what is beyond its time, of all servers one, and until when it is that one's affair: by the database's clock,
-- in Unix milliseconds.
CREATE TABLE housekeeping (
  "only" BIGINT PRIMARY KEY CHECK ("only" = 1),
  holder TEXT COLLATE "C" NOT NULL,
  until BIGINT NOT NULL
);
INSERT INTO housekeeping ("only", holder, until) VALUES (1, '', 0);
