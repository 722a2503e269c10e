-- Whoever made a shortcut sees no more through it than in the item's own place. Of older ones nobody knows the maker.
ALTER TABLE shortcuts ADD COLUMN user_id TEXT REFERENCES users (id);
