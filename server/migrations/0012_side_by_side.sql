-- On a server many write at once: an entry of the activity log then stands in its vault's own chain, as the one of number
-- `vault_seq` there. `heads` are those of such chains that moved since the entry before it in the environment's chain.
ALTER TABLE activity ADD COLUMN vault_seq INTEGER;
ALTER TABLE activity ADD COLUMN heads TEXT;
CREATE TABLE activity_chains (
  vault_id TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  head BLOB NOT NULL,
  moved INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX activity_chains_moved ON activity_chains (vault_id) WHERE moved = 1;
-- A server of an earlier version finds no column of this name and writes nothing, as it knows of no other chains.
ALTER TABLE environment RENAME COLUMN activity_count TO activity_length;
-- Up to this number it is decided which entries there are.
ALTER TABLE environment ADD COLUMN activity_settled INTEGER NOT NULL DEFAULT 0;
UPDATE environment SET activity_settled = (SELECT coalesce(max(seq), 0) FROM activity);

-- Who uses a key takes the turn after the last one, so that of two at once one finds it taken.
CREATE TABLE keys_by_turn (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  turn INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,
  kept_at INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  made TEXT,
  state TEXT,
  answer TEXT,
  PRIMARY KEY (user_id, key, turn)
) STRICT, WITHOUT ROWID;
INSERT INTO keys_by_turn
  SELECT user_id, key, row_number() OVER (PARTITION BY user_id, key ORDER BY kept_at, fingerprint) - 1,
         fingerprint, kept_at, kind, made, state, answer FROM idempotency_keys;
DROP TABLE idempotency_keys;
ALTER TABLE keys_by_turn RENAME TO idempotency_keys;
CREATE INDEX idempotency_keys_kept ON idempotency_keys (kept_at);
