CREATE TABLE jobs (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    started  INTEGER NOT NULL,
    ended    INTEGER,
    command  TEXT NOT NULL,
    folder   TEXT NOT NULL,
    sink     TEXT NOT NULL,
    patience INTEGER NOT NULL,
    job_key  TEXT,
    state    TEXT NOT NULL,
    report   TEXT
) STRICT;
CREATE TABLE creations (
    seq    INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sent   INTEGER NOT NULL,
    wrap   BLOB NOT NULL,
    print  BLOB,
    item   TEXT,
    open   INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX creations_of_job ON creations (job, open);
CREATE TABLE updates (
    seq    INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sent   INTEGER NOT NULL,
    item   TEXT NOT NULL,
    before BLOB,
    print  BLOB,
    open   INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX updates_of_job ON updates (job, open);
CREATE TABLE places (
    seq    INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sent   INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    vault  TEXT,
    folder TEXT,
    open   INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX places_of_job ON places (job, open);
