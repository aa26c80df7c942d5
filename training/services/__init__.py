"""What a person asks of training: start, plan, stop, resume, organise and delete jobs."""
