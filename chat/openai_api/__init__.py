"""The OpenAI-compatible interface below /v1, for programs that speak to a chat model with any client of that protocol.

`schemas` and `reading` take a request apart, `services.completing` makes it a reply that a worker answers like any
other, `following` waits for the reply's text, `streaming` and `answers` give it back in the protocol's words.
"""
