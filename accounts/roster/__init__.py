"""The roster of a class as a CSV file: read, planned, and written."""
