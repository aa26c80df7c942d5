"""Conversations for instructors: to read, never to change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from chat.models import Answerer, ChatSession, Message, PromptRun, PromptSet, Reply, Vote
from common.admin import ReadOnlyAdmin


class AnswererInline(admin.TabularInline):
    """The models that answer in a session."""

    model = Answerer
    fields = ("position", "kind", "label", "job", "base_model")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    list_display = ["name", "owner", "kind", "is_blind", "updated_at"]
    list_filter = ["kind", "is_blind", "answerers__base_model"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username", "answerers__label"]
    date_hierarchy = "created_at"
    inlines = [AnswererInline]


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "session", "created_at"]
    list_filter = ["session__kind"]
    list_select_related = ["session"]
    search_fields = ["session__name", "session__owner__username"]
    date_hierarchy = "created_at"


@admin.register(Reply)
class ReplyAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__",
        "answerer",
        "status",
        "finish_reason",
        "error_code",
        "worker_name",
        "created_at",
    ]
    list_filter = ["answerer__kind", "status", "rating", "error_code"]
    list_select_related = ["message", "answerer"]
    search_fields = ["message__session__name", "message__session__owner__username"]
    date_hierarchy = "created_at"


@admin.register(Vote)
class VoteAdmin(ReadOnlyAdmin):
    list_display = ["message", "verdict", "winner", "was_blind", "created_at"]
    list_filter = ["verdict", "was_blind", "message__session__kind"]
    list_select_related = ["message", "winner"]
    search_fields = ["message__session__name", "message__session__owner__username"]
    date_hierarchy = "created_at"


@admin.register(PromptSet)
class PromptSetAdmin(ReadOnlyAdmin):
    list_display = ["name", "owner", "updated_at"]
    list_filter = ["updated_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username"]
    date_hierarchy = "created_at"


@admin.register(PromptRun)
class PromptRunAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "session", "state", "next_item", "created_at"]
    list_filter = ["state"]
    list_select_related = ["session"]
    search_fields = ["session__name", "session__owner__username"]
    date_hierarchy = "created_at"
