"""What is done with the rows of versions: compare, part, copy, export."""
