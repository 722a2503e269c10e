-- Where a job sends records: only there something may have come of what nobody answered. Of a job without rows that is not
-- known.
CREATE TABLE written_to (
    job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    vault  TEXT NOT NULL,
    folder TEXT NOT NULL,
    PRIMARY KEY (job, vault, folder)
) STRICT, WITHOUT ROWID;
