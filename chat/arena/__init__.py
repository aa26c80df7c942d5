"""The arena of a class: blind duels between classmates' adapters, and what the votes say about their order."""
