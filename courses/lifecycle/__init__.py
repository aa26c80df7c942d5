"""Legal changes of a person's progress: it only ever grows."""
