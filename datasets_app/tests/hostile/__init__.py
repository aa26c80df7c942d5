"""Hand-made files that no reader should trust: each with what the intake must say about it."""
