"""Faults on purpose: a real stack whose processes are killed, stopped and starved, and what must hold afterwards."""
