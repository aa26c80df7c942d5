"""Geometry of line charts: scales, lines, and a chart as a file of its own."""
