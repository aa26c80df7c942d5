"""Forms of the pages of courses and classes."""
