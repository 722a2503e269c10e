-- The color that clients show a folder in; 0 is none.
ALTER TABLE folders ADD COLUMN color INTEGER NOT NULL DEFAULT 0;
