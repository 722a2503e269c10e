-- Who takes out what is beyond its time, of all servers one, and until when it is that one's affair: by the database's clock,
-- in Unix milliseconds.
CREATE TABLE housekeeping (
  "only" INTEGER PRIMARY KEY CHECK ("only" = 1),
  holder TEXT NOT NULL,
  until INTEGER NOT NULL
) STRICT;
INSERT INTO housekeeping ("only", holder, until) VALUES (1, '', 0);
