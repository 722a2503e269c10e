CREATE TABLE rotations (
    seq     INTEGER PRIMARY KEY,
    job     INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    item    TEXT NOT NULL,
    record  TEXT NOT NULL,
    target  TEXT NOT NULL,
    login   TEXT NOT NULL,
    secrets BLOB,
    stored  INTEGER,
    outcome TEXT
) STRICT;
CREATE INDEX rotations_of_job ON rotations (job, outcome);
