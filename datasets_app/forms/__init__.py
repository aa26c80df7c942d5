"""The forms of the dataset pages."""
