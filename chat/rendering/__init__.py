"""What a model wrote, made harmless and shown as HTML or as plain text."""

from __future__ import annotations

from chat.rendering.characters import harmless_text
from chat.rendering.reply import MAX_MARKDOWN_CHARACTERS, render_markdown

__all__ = ["MAX_MARKDOWN_CHARACTERS", "harmless_text", "render_markdown"]
