"""Find chats by their name and by what was written in them."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from chat.models import ChatSession, Message, Reply

MAX_SEARCH_CHARACTERS = 120
MAX_TERMS = 5


def clean_search(text: str) -> str:
    """One line of at most MAX_SEARCH_CHARACTERS without characters that no text has."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:MAX_SEARCH_CHARACTERS]


def search_sessions(sessions: QuerySet[ChatSession], search: str) -> QuerySet[ChatSession]:
    """Those in whose name, messages or replies every word of the search stands."""
    for term in clean_search(search).split()[:MAX_TERMS]:
        written = Message.objects.filter(session=OuterRef("pk"), text__icontains=term)
        answered = Reply.objects.filter(message__session=OuterRef("pk"), text__icontains=term)
        sessions = sessions.filter(Q(name__icontains=term) | Exists(written) | Exists(answered))
    return sessions
