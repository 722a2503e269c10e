-- Whoever reads an item that was not written here asks whether its record key was.
CREATE INDEX creations_of_wrap ON creations (substr(wrap, 1, 8)) WHERE item IS NOT NULL;
-- What each envelope of a record was written as, so that none is taken for another.
ALTER TABLE creations ADD COLUMN parts BLOB;
