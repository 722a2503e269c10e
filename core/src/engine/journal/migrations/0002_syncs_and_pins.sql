CREATE TABLE syncs (
    id         INTEGER PRIMARY KEY,
    pair       TEXT NOT NULL UNIQUE,
    digest_key TEXT NOT NULL,
    generation INTEGER NOT NULL
) STRICT;
CREATE TABLE synced (
    sync       INTEGER NOT NULL REFERENCES syncs (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    identity   BLOB NOT NULL,
    content    BLOB NOT NULL,
    PRIMARY KEY (sync, generation, identity, content)
) STRICT, WITHOUT ROWID;
CREATE TABLE pins (
    place       TEXT NOT NULL,
    user        TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    PRIMARY KEY (place, user)
) STRICT, WITHOUT ROWID;
