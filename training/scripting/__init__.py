"""A job as code: a script that repeats it without this product, and its settings as a file."""
