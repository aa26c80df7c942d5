"""What is said about datasets, made from stored codes and numbers."""
