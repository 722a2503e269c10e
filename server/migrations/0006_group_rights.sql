-- What users may do to the environment itself. Those of code `administrator` and `user` are the server's own: what they allow
-- stands in the server, so that a later one may add to it.
CREATE TABLE user_roles (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL
) STRICT;
INSERT INTO user_roles (id, code, name) VALUES
  ('00000000000000000000000a', 'administrator', 'Administrator'),
  ('00000000000000000000000b', 'user', 'User');
CREATE TABLE user_role_rights (
  role_id TEXT NOT NULL REFERENCES user_roles (id) ON DELETE CASCADE,
  right TEXT NOT NULL,
  PRIMARY KEY (role_id, right)
) STRICT, WITHOUT ROWID;
ALTER TABLE users ADD COLUMN role_id TEXT REFERENCES user_roles (id);
UPDATE users SET role_id = CASE WHEN is_admin THEN '00000000000000000000000a' ELSE '00000000000000000000000b' END;
ALTER TABLE users DROP COLUMN is_admin;

-- `role` is what counts, and `own_role` what was given to the user alone. The first is worked out from that and from the
-- groups' rights whenever one of them changes, so that looks into it cost what they did. In `folder_users` no `own_role` means
-- that all of it comes from groups.
ALTER TABLE vault_users ADD COLUMN own_role INTEGER NOT NULL DEFAULT 0;
UPDATE vault_users SET own_role = role;
ALTER TABLE folder_users ADD COLUMN own_role INTEGER;
UPDATE folder_users SET own_role = role;
-- Who has a role nowhere in a vault has nothing of it, nor a copy of its key.
DELETE FROM vault_users WHERE role = 0 AND NOT EXISTS (
  SELECT 1 FROM folder_users f WHERE f.user_id = vault_users.user_id AND f.vault_id = vault_users.vault_id AND f.role >= 1);
DELETE FROM folder_users WHERE NOT EXISTS (
  SELECT 1 FROM vault_users v WHERE v.user_id = folder_users.user_id AND v.vault_id = folder_users.vault_id);

CREATE TABLE vault_groups (
  vault_id TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE,
  group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
  role INTEGER NOT NULL CHECK (role BETWEEN 1 AND 3),
  PRIMARY KEY (vault_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX vault_groups_group ON vault_groups (group_id);
CREATE TABLE folder_groups (
  group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
  vault_id TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE,
  folder_id TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
  role INTEGER NOT NULL CHECK (role BETWEEN 0 AND 3),
  PRIMARY KEY (group_id, vault_id, folder_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX folder_groups_folder ON folder_groups (folder_id);
CREATE INDEX folder_groups_vault ON folder_groups (vault_id);
CREATE INDEX user_group_members_user ON user_group_members (user_id);
