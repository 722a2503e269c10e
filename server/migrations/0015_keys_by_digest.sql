-- A key is looked for by the first eight bytes of SHA-256(user_id, LF, key): see store/idempotency.rs.
CREATE TABLE keys_by_digest (
  digest INTEGER NOT NULL,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  turn INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,
  kept_at INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  made TEXT,
  state TEXT,
  answer TEXT,
  PRIMARY KEY (digest, turn)
) STRICT;
INSERT INTO keys_by_digest
  SELECT key_digest(user_id, key), user_id, key, turn, fingerprint, kept_at, kind, made, state, answer
  FROM idempotency_keys ORDER BY kept_at;
DROP TABLE idempotency_keys;
ALTER TABLE keys_by_digest RENAME TO idempotency_keys;
CREATE INDEX idempotency_keys_kept ON idempotency_keys (kept_at);
