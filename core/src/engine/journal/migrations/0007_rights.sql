CREATE TABLE grants (
    seq    INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sent   INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    target TEXT NOT NULL,
    holder TEXT NOT NULL,
    role   TEXT NOT NULL,
    made   TEXT,
    open   INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX grants_of_job ON grants (job, open);
