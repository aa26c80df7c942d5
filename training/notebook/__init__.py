"""A person's own words on a job: guess, explanation, notes, tags, star, archive."""
