"""Conversations for instructors: to read, never to change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from chat.models import ChatSession, Message, Reply


class ReadOnlyAdmin(admin.ModelAdmin):
    """Everything of a row can be seen, and nothing written."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    list_display = ["name", "owner", "job", "base_model", "is_compared", "updated_at"]
    list_filter = ["is_compared", "base_model"]
    list_select_related = ["owner", "job", "base_model"]
    search_fields = ["name", "owner__username", "job__name"]
    date_hierarchy = "created_at"


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "session", "created_at"]
    list_select_related = ["session"]
    search_fields = ["session__name", "session__owner__username"]
    date_hierarchy = "created_at"


@admin.register(Reply)
class ReplyAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__",
        "target",
        "status",
        "finish_reason",
        "error_code",
        "worker_name",
        "created_at",
    ]
    list_filter = ["target", "status", "error_code"]
    list_select_related = ["message"]
    search_fields = ["message__session__name", "message__session__owner__username"]
    date_hierarchy = "created_at"
