"""From the bytes that a person uploads to checked records, or to a list of everything that is wrong with them."""
