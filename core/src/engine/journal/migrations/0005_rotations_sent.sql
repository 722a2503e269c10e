-- Of rotations that are older than this column nothing says that their secret was not sent.
ALTER TABLE rotations ADD COLUMN sent INTEGER NOT NULL DEFAULT 1;
