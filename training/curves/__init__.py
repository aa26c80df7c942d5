"""What a job's curves show: read from its rows, drawn as charts, told as a table, given away as files."""
