-- All sessions that one sign-in led to, one refresh after the other, are a family. A refresh token that was used is remembered
-- as long as it would have lived: whoever brings it again is not who got the next one.
ALTER TABLE sessions ADD COLUMN family INTEGER;
UPDATE sessions SET family = id;
CREATE INDEX sessions_family ON sessions (family);
CREATE TABLE used_refresh_tokens (
  hash BLOB PRIMARY KEY,
  family INTEGER NOT NULL,
  used INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
