"""Examples as people read them, and as a model reads them."""
