"""Conversations, their models, messages, replies and votes; sets of questions and their runs."""

from __future__ import annotations

from chat.models.messages import Message, Reply
from chat.models.prompt_sets import PromptRun, PromptSet
from chat.models.sessions import Answerer, ChatSession, ChatSessionQuerySet
from chat.models.votes import Vote

__all__ = [
    "Answerer",
    "ChatSession",
    "ChatSessionQuerySet",
    "Message",
    "PromptRun",
    "PromptSet",
    "Reply",
    "Vote",
]
