-- Wrong guesses at an account: they outlive the server's process. The account is a digest of its name.
CREATE TABLE guesses (
  account BLOB PRIMARY KEY,
  misses INTEGER NOT NULL,
  next INTEGER,
  known TEXT NOT NULL
) STRICT, WITHOUT ROWID;
