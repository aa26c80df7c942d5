"""Every failure of the APIs as one body, in the caller's language, never a traceback.

Below /api/ the body is {code, message, errors}; below /v1/ it is that of the OpenAI protocol, made from the same parts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext_lazy as _
from ninja import NinjaAPI
from ninja.errors import HttpError, Throttled, ValidationError

from chat.openai_api import errors as openai_errors
from common.errors import DomainError, Fault, Sentence, TooManyRequestsError
from common.strict_json import MalformedJsonError
from llmlora_site.validation_sentences import faults_of

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
RETRIED = frozenset({429, 503})

CODES: dict[int, str] = {
    400: "bad_request",
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    422: "invalid",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}
SENTENCES: dict[int, Sentence] = {
    400: _(
        "The request could not be understood. Check its format against the API's documentation."
    ),
    401: _("Sign in, or send an API token in the Authorization header."),
    403: _("You may not do this."),
    404: _("There is nothing at this address, or it is not yours."),
    405: _(
        "This address does not take this kind of request. Check the method against the API's documentation."
    ),
    413: _("The request is too large for this server. Send less at once."),
    422: _("Some values can not be used. Correct them, then send the request again."),
    429: _("Too many requests. Wait a little, then try again."),
    500: _(
        "Something went wrong on the server. It has been written to the log. Try again, or tell your instructor."
    ),
    503: _(
        "The server is too busy or a part of it is not there right now. Try again in a few seconds."
    ),
}
NO_TOKEN = _("Send an API token as a bearer token. You get one on the page of your settings.")
MALFORMED_JSON = _(
    "The body is not valid JSON. Check brackets, quotes and commas. "
    "NaN, infinite numbers and the character NUL can not be sent."
)


def error_body(
    status: int, message: Sentence = "", *, code: str = "", faults: list[Fault] | None = None
) -> dict[str, object]:
    """The error body; code and message default to those of the status."""
    return {
        "code": code or CODES.get(status, "server_error" if status >= 500 else "bad_request"),
        "message": str(message or SENTENCES.get(status) or HTTPStatus(status).phrase),
        "errors": [_fault_body(fault) for fault in faults or []],
    }


class Respond(Protocol):
    """Makes the response of a failure; the message defaults to that of the status."""

    def __call__(
        self,
        status: int,
        message: Sentence = "",
        *,
        code: str = "",
        faults: list[Fault] | None = None,
        retry_after: int | None = None,
    ) -> JsonResponse: ...


def error_response(
    status: int,
    message: Sentence = "",
    *,
    code: str = "",
    faults: list[Fault] | None = None,
    retry_after: int | None = None,
) -> JsonResponse:
    body = error_body(status, message, code=code, faults=faults)
    return _json_response(status, body, retry_after)


def openai_error_response(
    status: int,
    message: Sentence = "",
    *,
    code: str = "",
    faults: list[Fault] | None = None,
    retry_after: int | None = None,
) -> JsonResponse:
    if status == HTTPStatus.UNAUTHORIZED:
        message = message or NO_TOKEN
    plain = error_body(status, message, code=code)
    status = openai_errors.protocol_status(status)
    body = openai_errors.error_body(
        status, str(plain["message"]), code=str(plain["code"]), faults=faults or []
    )
    return _json_response(status, body, retry_after)


def _json_response(status: int, body: dict[str, object], retry_after: int | None) -> JsonResponse:
    response = JsonResponse(body, status=status)
    if status in RETRIED:
        response["Retry-After"] = str(retry_after or RETRY_AFTER_SECONDS)
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


OPENAI_PREFIX = "/v1/"
RESPONDERS: dict[str, Respond] = {"/api/": error_response, OPENAI_PREFIX: openai_error_response}


def responder_at(path: str) -> Respond | None:
    """How failures are answered at this address; None where people get a page."""
    return next(
        (respond for prefix, respond in RESPONDERS.items() if path.startswith(prefix)), None
    )


def add_error_handlers(api: NinjaAPI, respond: Respond = error_response) -> None:
    """Teach the API what each kind of exception means."""
    handlers: dict[type[Exception], Callable[[Respond, HttpRequest, Any], HttpResponse]] = {
        DomainError: _domain_error,
        ValidationError: _validation_error,
        HttpError: _http_error,
        Http404: lambda respond, request, error: respond(404),
        PermissionDenied: lambda respond, request, error: respond(403),
        RequestDataTooBig: lambda respond, request, error: respond(413),
        SuspiciousOperation: lambda respond, request, error: respond(400),
        MultiPartParserError: lambda respond, request, error: respond(400),
        UnreadablePostError: lambda respond, request, error: respond(400),
        OperationalError: _database_error,
        Exception: _unexpected_error,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, partial(handler, respond))


class ApiErrorsMiddleware:
    """The same body for what Django itself answers at the APIs' addresses: no such address, a wrong method."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        respond = responder_at(request.path_info)
        if response.status_code < 400 or respond is None:
            return response
        if response.get("Content-Type", "").startswith("application/json"):
            if response.status_code in RETRIED:
                response.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
            return response
        replacement = respond(response.status_code)
        for name in ("Allow", "Retry-After"):
            if name in response:
                replacement[name] = response[name]
        return replacement


def _domain_error(respond: Respond, request: HttpRequest, error: DomainError) -> HttpResponse:
    wait = error.retry_after_seconds if isinstance(error, TooManyRequestsError) else None
    return respond(
        error.status, error.message, code=error.code, faults=error.faults, retry_after=wait
    )


def _validation_error(
    respond: Respond, request: HttpRequest, error: ValidationError
) -> HttpResponse:
    if any(entry["loc"][0] == "path" for entry in error.errors):
        # An id of the wrong shape names nothing, like an id that nobody has.
        return respond(404)
    return respond(422, faults=faults_of(error.errors))


def _http_error(respond: Respond, request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, MalformedJsonError):
        return respond(400, MALFORMED_JSON, code="malformed_json")
    if isinstance(error, Throttled):
        return respond(429, retry_after=error.wait)
    is_own_sentence = error.status_code in (401, 403) and error.message not in (
        "Unauthorized",
        "Forbidden",
    )
    return respond(error.status_code, error.message if is_own_sentence else "")


def _database_error(
    respond: Respond, request: HttpRequest, error: OperationalError
) -> HttpResponse:
    logger.error("database away or locked on %s %s: %s", request.method, request.path, error)
    return respond(503)


def _unexpected_error(respond: Respond, request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("unexpected failure on %s %s", request.method, request.path, exc_info=error)
    return respond(500)


def _fault_body(fault: Fault) -> dict[str, object]:
    body: dict[str, object] = {"message": str(fault.message)}
    if fault.field is not None:
        body["field"] = fault.field
    if fault.line is not None:
        body["line"] = fault.line
    return body
