-- Records on their way through several workers: the requests, sealed, until one of the workers has sent them. `fence` counts
-- how often a chunk was taken, and whoever holds an older one has lost it; the lease ends at `until`, in milliseconds.
-- state: 0 to be sent, 1 sent, 2 given up by a later run of the job.
CREATE TABLE chunks (
    id      INTEGER PRIMARY KEY,
    job     INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    records INTEGER NOT NULL,
    sealed  BLOB,
    fence   INTEGER NOT NULL DEFAULT 0,
    worker  TEXT,
    until   INTEGER,
    outcome BLOB,
    state   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX chunks_of_job ON chunks (job, state);
