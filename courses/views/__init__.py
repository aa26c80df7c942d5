"""Pages of the courses."""
