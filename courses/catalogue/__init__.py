"""Courses as files: reading them, saying what is wrong with them, and publishing them as versions."""
