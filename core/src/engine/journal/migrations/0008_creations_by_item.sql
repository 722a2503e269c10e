-- Whoever reads an item asks under which record key it was written.
CREATE INDEX creations_of_item ON creations (item) WHERE item IS NOT NULL;
