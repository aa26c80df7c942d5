"""What a step asks for: a closed set of predicates over what the server itself wrote down."""
