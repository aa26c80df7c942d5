"""How far a job is: its phases, its attempts, the time that is left, and what it answers meanwhile."""
