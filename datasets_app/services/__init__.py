"""What a person asks for: make, change, share, split and delete datasets."""
