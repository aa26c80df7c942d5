"""What every API router shares: the caller, the error body and the list envelope."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from django.http import HttpRequest
from ninja import Field, Schema
from ninja.pagination import PaginationBase, paginate

if TYPE_CHECKING:
    from accounts.models import User

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
# SQLite and PostgreSQL count rows in 64 bits; a larger offset is an error there instead of an empty list.
MAX_OFFSET = 2**31


class FaultSchema(Schema):
    """One thing that is wrong with the input."""

    field: str | None = Field(None, description="Path of the field, for example lora_config.r")
    line: int | None = Field(None, description="Line of the uploaded file, from 1")
    message: str


class ErrorSchema(Schema):
    """The body of every answer that is not a success."""

    code: str = Field(description="Stable name of the failure, for programs")
    message: str = Field(description="What happened, why and what to do, in the caller's language")
    errors: list[FaultSchema] = []


ERROR_STATUSES = (400, 401, 403, 404, 409, 413, 422, 429, 503)
ERROR_RESPONSES: dict[int, type[ErrorSchema]] = dict.fromkeys(ERROR_STATUSES, ErrorSchema)
"""Merge into `response=`: `response={201: JobSchema} | ERROR_RESPONSES`."""


class ListPagination(PaginationBase):
    """`limit` and `offset`, answered as `{items, count}`."""

    class Input(Schema):
        limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
        offset: int = Field(0, ge=0, le=MAX_OFFSET)

    class Output(Schema):
        items: list[Any]
        count: int

    def paginate_queryset(
        self,
        queryset: Any,
        pagination: Input,
        request: HttpRequest,
        **params: Any,
    ) -> dict[str, Any]:
        page = queryset[pagination.offset : pagination.offset + pagination.limit]
        return {"items": page, "count": self._items_count(queryset)}


def paginated(call: Callable[..., Any]) -> Callable[..., Any]:
    """Answer the call's list page by page. Goes directly above the function, below the router's decorator."""
    # The wrapper lives in another module, where the names of postponed annotations mean nothing.
    call.__annotations__ = get_type_hints(call, include_extras=True)
    wrapped: Callable[..., Any] = paginate(ListPagination)(call)
    return wrapped


def current_user(request: HttpRequest) -> User:
    """The person who calls: by bearer token or by session, as the API's auth has found."""
    return cast("User", request.auth)  # type: ignore[attr-defined]
