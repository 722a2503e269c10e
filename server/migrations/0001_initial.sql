CREATE TABLE environment (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  client_encryption INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  username TEXT NOT NULL UNIQUE,
  email TEXT,
  full_name TEXT,
  is_admin INTEGER NOT NULL,
  password_hash TEXT NOT NULL,
  master_key_hash TEXT,
  master_key_options TEXT,
  public_key TEXT,
  private_key_encrypted TEXT
) STRICT;

-- Tokens are here only as SHA-256: a copy of the file opens no session.
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  access_hash BLOB NOT NULL UNIQUE,
  refresh_hash BLOB NOT NULL UNIQUE,
  access_expires INTEGER NOT NULL,
  refresh_expires INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE vaults (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  encrypted INTEGER NOT NULL,
  master_key_hash TEXT,
  salt TEXT
) STRICT;

-- role: 0 none, 1 read, 2 edit, 3 administer
CREATE TABLE vault_users (
  vault_id TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role INTEGER NOT NULL CHECK (role BETWEEN 0 AND 3),
  master_key_encrypted TEXT,
  PRIMARY KEY (vault_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX vault_users_user ON vault_users (user_id, role);

CREATE TABLE bin_items (
  id TEXT PRIMARY KEY,
  vault_id TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  deleted_at INTEGER NOT NULL
) STRICT;
CREATE INDEX bin_items_vault ON bin_items (vault_id);

CREATE TABLE folders (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  vault_id TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE,
  parent_folder_id TEXT REFERENCES folders (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  bin_item_id TEXT REFERENCES bin_items (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX folders_vault ON folders (vault_id);
CREATE INDEX folders_parent ON folders (parent_folder_id);
CREATE INDEX folders_bin ON folders (bin_item_id) WHERE bin_item_id IS NOT NULL;

CREATE TABLE items (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  vault_id TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE,
  folder_id TEXT REFERENCES folders (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  login TEXT,
  url TEXT,
  description TEXT,
  tags TEXT NOT NULL,
  color INTEGER NOT NULL,
  password_encrypted TEXT,
  key_encrypted TEXT,
  customs TEXT NOT NULL,
  bin_item_id TEXT REFERENCES bin_items (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX items_vault ON items (vault_id);
CREATE INDEX items_folder ON items (folder_id) WHERE folder_id IS NOT NULL;
CREATE INDEX items_bin ON items (bin_item_id) WHERE bin_item_id IS NOT NULL;

CREATE TABLE favorites (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  PRIMARY KEY (user_id, item_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX favorites_item ON favorites (item_id);

CREATE TABLE attachments (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  item_id TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  encrypted_key TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE INDEX attachments_item ON attachments (item_id);

-- Contents have a table of their own: reading an item does not page through them.
CREATE TABLE attachment_data (
  attachment INTEGER PRIMARY KEY REFERENCES attachments (seq) ON DELETE CASCADE,
  encrypted_data TEXT NOT NULL
) STRICT;
