"""DomainError: the base of every expected failure that a person or a client can meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

Sentence = str | Promise


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input.

    Attributes:
        message: a sentence: what is wrong and what to do.
        field: the input's name, where there is one.
        line: physical line of the uploaded file, 1-based.
    """

    message: Sentence
    field: str | None = None
    line: int | None = None


class DomainError(Exception):
    """An expected failure: a stable code, a sentence in the reader's language and an HTTP status."""

    code = "bad_request"
    status = 400

    def __init__(
        self, message: Sentence, *, faults: list[Fault] | None = None, **params: Any
    ) -> None:
        super().__init__(str(message))
        self.message = message
        self.faults = faults or []
        self.params = params


class NotFoundError(DomainError):
    code = "not_found"
    status = 404


class ForbiddenError(DomainError):
    """The person may see the object, but not do this to it."""

    code = "forbidden"
    status = 403


class ConflictError(DomainError):
    """The object's state forbids what was asked."""

    code = "conflict"
    status = 409


class TooLargeError(DomainError):
    code = "too_large"
    status = 413


class InvalidInputError(DomainError):
    """The input can not be used; every fault is told at once."""

    code = "invalid"
    status = 422


class TooManyRequestsError(DomainError):
    code = "too_many_requests"
    status = 429

    def __init__(self, message: Sentence, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(DomainError):
    """A part of the system is not there right now."""

    code = "unavailable"
    status = 503


class DiskFullError(DomainError):
    code = "disk_full"
    status = 507
