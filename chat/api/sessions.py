"""Chats: open, list, read, change, save as a file, delete."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Header, Status

from accounts.idempotency import once
from chat.api.router import router
from chat.ballots import with_votes
from chat.exporting import export_response
from chat.models import ChatSession
from chat.schemas import (
    CompletedJobSchema,
    MessageSchema,
    SessionChanges,
    SessionRequest,
    SessionSchema,
    turns_in_order,
)
from chat.searching import search_sessions
from chat.selectors import get_session, messages, sessions_visible_to, talkable_jobs
from chat.services.keeping import change_settings, rename_session
from chat.services.keeping import delete_session as delete_chat
from chat.services.opening import create_session as open_session
from common.api import ERROR_RESPONSES, current_user, paginated


@router.get(
    "/sessions",
    response={200: list[SessionSchema]} | ERROR_RESPONSES,
    summary="The caller's chats, newest first",
)
@paginated
def list_sessions(request: HttpRequest, search: str = "") -> QuerySet[ChatSession]:
    """With `search`, those in whose name, messages or replies every word of it stands."""
    sessions = search_sessions(sessions_visible_to(current_user(request)), search)
    return with_votes(sessions)


@router.post("/sessions", response={201: SessionSchema} | ERROR_RESPONSES, summary="Open a chat")
def create_session(
    request: HttpRequest,
    body: SessionRequest,
    idempotency_key: str | None = Header(None, alias="Idempotency-Key"),
) -> Status[ChatSession]:
    user = current_user(request)

    def create() -> ChatSession:
        return open_session(user, **body.model_dump())

    session = once(
        user,
        scope="chat_session",
        key=idempotency_key,
        create=create,
        find=lambda pk: get_session(user, pk),
    )
    return Status(201, session)


@router.get(
    "/sessions/{uuid:session_id}",
    response={200: SessionSchema} | ERROR_RESPONSES,
    summary="One chat",
)
def show_session(request: HttpRequest, session_id: UUID) -> ChatSession:
    return get_session(current_user(request), session_id)


@router.get(
    "/sessions/{uuid:session_id}/messages",
    response={200: list[MessageSchema]} | ERROR_RESPONSES,
    summary="Every turn of a chat",
)
@paginated
def list_messages(request: HttpRequest, session_id: UUID) -> list[MessageSchema]:
    return turns_in_order(messages(get_session(current_user(request), session_id)))


@router.patch(
    "/sessions/{uuid:session_id}",
    response={200: SessionSchema} | ERROR_RESPONSES,
    summary="Rename a chat, or change its settings",
)
def change_session(request: HttpRequest, session_id: UUID, body: SessionChanges) -> ChatSession:
    """What is left out stays. Settings hold from the next message on."""
    session = get_session(current_user(request), session_id)
    with transaction.atomic():
        if body.name is not None:
            rename_session(session, body.name)
        if body.settings is not None:
            change_settings(session, body.settings)
    return session


@router.get(
    "/sessions/{uuid:session_id}/export",
    response={200: None} | ERROR_RESPONSES,
    summary="A chat as a file",
)
def export_session(
    request: HttpRequest, session_id: UUID, format: str = "json", scope: str = "all"
) -> HttpResponse:
    """`format` is json or markdown; `scope` is branch, for what is in view, or all."""
    return export_response(get_session(current_user(request), session_id), format, scope)


@router.delete(
    "/sessions/{uuid:session_id}", response={204: None} | ERROR_RESPONSES, summary="Delete a chat"
)
def delete_session(request: HttpRequest, session_id: UUID) -> Status[None]:
    delete_chat(get_session(current_user(request), session_id))
    return Status(204, None)


@router.get(
    "/completed-jobs",
    response={200: list[CompletedJobSchema]} | ERROR_RESPONSES,
    summary="Tuned models that can be talked to",
)
@paginated
def list_completed_jobs(request: HttpRequest) -> QuerySet[Any]:
    user = current_user(request)
    is_own = ExpressionWrapper(Q(owner=user), output_field=BooleanField())
    return talkable_jobs(user).annotate(is_own=is_own)
