-- Two-factor sign-in; the step of the last code that was taken, so that none is taken twice.
ALTER TABLE users ADD COLUMN totp_secret TEXT;
ALTER TABLE users ADD COLUMN totp_enabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN totp_last_step INTEGER NOT NULL DEFAULT 0;

-- A session that still owes its one-time code; a session of a browser, with the digest of its CSRF token.
ALTER TABLE sessions ADD COLUMN owes_code INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN csrf_hash BLOB;

-- CSRF tokens of browsers that have not signed in yet.
CREATE TABLE csrf_tokens (
  hash BLOB PRIMARY KEY,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE vault_types (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  code TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE vault_type_administrators (
  type_id TEXT NOT NULL REFERENCES vault_types (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  PRIMARY KEY (type_id, user_id)
) STRICT, WITHOUT ROWID;

ALTER TABLE vaults ADD COLUMN type_id TEXT REFERENCES vault_types (id);

-- Roles that differ from what is above: the nearest on the way up to the vault counts.
CREATE TABLE folder_users (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  vault_id TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE,
  folder_id TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
  role INTEGER NOT NULL CHECK (role BETWEEN 0 AND 3),
  PRIMARY KEY (user_id, vault_id, folder_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX folder_users_folder ON folder_users (folder_id);
CREATE INDEX folder_users_vault ON folder_users (vault_id);

-- Counts the changes of an item: who changes what another has changed meanwhile can be told.
ALTER TABLE items ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE items ADD COLUMN updated_by TEXT;

-- What an item was before a change.
CREATE TABLE snapshots (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  login TEXT,
  url TEXT,
  description TEXT,
  tags TEXT NOT NULL,
  color INTEGER NOT NULL,
  password_encrypted TEXT,
  key_encrypted TEXT,
  customs TEXT NOT NULL,
  attachments TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  user_id TEXT
) STRICT;
CREATE INDEX snapshots_item ON snapshots (item_id);

-- A removed attachment stays while a snapshot may name it.
ALTER TABLE attachments ADD COLUMN removed_at INTEGER;

CREATE TABLE shortcuts (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  vault_id TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE,
  folder_id TEXT REFERENCES folders (id) ON DELETE CASCADE,
  item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  key_encrypted TEXT
) STRICT;
CREATE INDEX shortcuts_vault ON shortcuts (vault_id);
CREATE INDEX shortcuts_item ON shortcuts (item_id);
CREATE INDEX shortcuts_folder ON shortcuts (folder_id) WHERE folder_id IS NOT NULL;

-- The token in a link's address is here as SHA-256 only; what it opens is encrypted under a code that never comes here.
CREATE TABLE links (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  token_hash BLOB NOT NULL UNIQUE,
  item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  item_data TEXT NOT NULL,
  key_hash TEXT,
  key_encrypted TEXT,
  single_use INTEGER NOT NULL,
  expires INTEGER,
  misses INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX links_item ON links (item_id);

CREATE TABLE inbox_items (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  sender_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  key_encrypted TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX inbox_items_user ON inbox_items (user_id);
CREATE INDEX inbox_items_item ON inbox_items (item_id);

-- Each row's hash covers the row and the hash before it; the environment keeps the last of them.
CREATE TABLE activity (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  user_id TEXT,
  action TEXT NOT NULL,
  object TEXT,
  vault_id TEXT,
  address TEXT,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX activity_vault ON activity (vault_id) WHERE vault_id IS NOT NULL;

ALTER TABLE environment ADD COLUMN activity_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environment ADD COLUMN activity_head BLOB NOT NULL DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';

-- Which trigrams an item's texts have: a search looks only at items that have all of the query's. `lower` is Rust's.
CREATE VIRTUAL TABLE item_text USING fts5 (
  text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
);
INSERT INTO item_text (rowid, text)
  SELECT seq, lower_text(name, login, url, description, tags) FROM items;
CREATE TRIGGER items_deleted AFTER DELETE ON items BEGIN
  DELETE FROM item_text WHERE rowid = old.seq;
END;

CREATE TABLE item_tags (
  tag TEXT NOT NULL,
  item INTEGER NOT NULL REFERENCES items (seq) ON DELETE CASCADE,
  PRIMARY KEY (tag, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_tags_item ON item_tags (item);
INSERT OR IGNORE INTO item_tags (tag, item)
  SELECT t.value, i.seq FROM items i, json_each(i.tags) t;
