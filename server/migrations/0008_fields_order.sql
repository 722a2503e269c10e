-- How clients sort the fields of an item: JSON of theirs, kept as it came.
ALTER TABLE items ADD COLUMN fields_order TEXT;
ALTER TABLE snapshots ADD COLUMN fields_order TEXT;
