"""Who may see a dataset, and the rows that a class adds."""
