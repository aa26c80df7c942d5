"""What a job's page says of its result."""
