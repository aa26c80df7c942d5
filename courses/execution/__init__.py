"""What workers and pages both do for a course: look whether a step is passed."""
