-- The type of a vault where it is one of those that are always there, which stand in no table.
ALTER TABLE vaults ADD COLUMN standard_type TEXT;

-- Wrong one-time codes of a half-open session: they follow it through its refreshes.
ALTER TABLE sessions ADD COLUMN code_misses INTEGER NOT NULL DEFAULT 0;
