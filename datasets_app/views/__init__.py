"""Pages on which a person makes, reads, changes, shares and deletes datasets."""
