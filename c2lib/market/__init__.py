"""Where bars come from: the seeded walk, or the files that people have."""
