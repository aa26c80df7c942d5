"""The reference student: plays a course as its solution says, to show that it can be passed."""
