-- What a vault or folder was to be: its name, where it was to stand, and of an encrypted vault the hash of its key, which no
-- other has. So one whose answer was lost is found again.
ALTER TABLE places ADD COLUMN name TEXT;
ALTER TABLE places ADD COLUMN at_vault TEXT;
ALTER TABLE places ADD COLUMN at_folder TEXT;
ALTER TABLE places ADD COLUMN key_hash TEXT;
