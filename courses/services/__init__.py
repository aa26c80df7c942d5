"""What people ask of courses: changes, each in one transaction."""
