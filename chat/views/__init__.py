"""Chat pages: the list, a new chat, the conversation, and what a person does in it."""
