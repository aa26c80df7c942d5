"""What checks found, in sentences of the active language."""
