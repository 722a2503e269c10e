-- Writes that named a key: what was asked, as a digest, and what was answered, unless the answer is the identifier of what was
-- `made`. `state` is how that stood then: what was changed or deleted since holds its key no longer.
CREATE TABLE idempotency_keys (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  kept_at INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  made TEXT,
  state TEXT,
  answer TEXT,
  PRIMARY KEY (user_id, key, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_kept ON idempotency_keys (kept_at);
