"""One job for each combination of values, and what they show together."""
