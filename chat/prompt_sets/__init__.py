"""Sets of questions that are put to several models: where they come from, how they run, and what came of it."""
