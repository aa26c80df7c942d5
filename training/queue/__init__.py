"""Which waiting job is next, for whom, and why the others wait."""
