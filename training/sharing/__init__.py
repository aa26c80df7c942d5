"""Adapters that their owners let a cohort use: who may talk to which, and which take part in the arena."""
