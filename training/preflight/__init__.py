"""What a job will cost and whether it fits, told before it starts."""
