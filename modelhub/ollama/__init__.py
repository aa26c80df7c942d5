"""The Ollama server that a school may run: what it has, what it is asked for, and how it is spoken to."""
