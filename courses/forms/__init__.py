"""Forms of the courses: what may be entered, told at the field."""
