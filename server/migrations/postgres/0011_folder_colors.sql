-- The color that clients show a folder in; 0 is none.
ALTER TABLE folders ADD COLUMN color BIGINT NOT NULL DEFAULT 0;
