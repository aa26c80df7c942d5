"""Reads of courses, scoped to a user."""
