from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import polib
import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest
from django.test import Client
from django.urls import include, path
from ninja import Router, Schema
from ninja.errors import HttpError

from accounts.models import User
from accounts.tokens import create_token
from common.api import paginated
from common.errors import ConflictError, Fault, InvalidInputError, UnavailableError
from llmlora_site.api import LlmloraAPI, StrictParser, StrictRenderer
from llmlora_site.api_auth import PageAuth, TokenAuth
from llmlora_site.api_errors import add_error_handlers

RAISED: dict[str, Exception] = {
    "conflict": ConflictError("It is running."),
    "unavailable": UnavailableError("No worker is there."),
    "faults": InvalidInputError(
        "Bad.", faults=[Fault("Too long.", field="name"), Fault("No comma.", line=3)]
    ),
    "http404": Http404("secret"),
    "forbidden": PermissionDenied("secret"),
    "large": RequestDataTooBig("secret"),
    "teapot": HttpError(418, "secret"),
    "locked": OperationalError("database is locked"),
    "bug": ZeroDivisionError("secret"),
}


class Inner(Schema):
    r: int


class Body(Schema):
    name: str
    lora_config: Inner | None = None
    rate: float = 0.0


router = Router()


@router.get("/raise/{kind}")
def raise_it(request: HttpRequest, kind: str) -> None:
    raise RAISED[kind]


@router.post("/echo")
def echo(request: HttpRequest, body: Body) -> Body:
    return body


@router.get("/things/{thing_id}")
def thing(request: HttpRequest, thing_id: UUID) -> dict[str, str]:
    return {"id": str(thing_id)}


@router.get("/numbers")
def numbers(request: HttpRequest) -> dict[str, object]:
    return {"loss": float("nan"), "points": [1.5, float("inf")]}


@router.get("/things/{thing_id}/parts", response=list[str])
@paginated
def parts(request: HttpRequest, thing_id: UUID) -> list[str]:
    return [str(thing_id)]


@router.get("/list", response=list[int])
@paginated
def listed(request: HttpRequest) -> list[int]:
    return list(range(300))


probe = LlmloraAPI(
    urls_namespace="probe",
    auth=[TokenAuth(), PageAuth()],
    parser=StrictParser(),
    renderer=StrictRenderer(),
)
add_error_handlers(probe)
probe.add_router("", router)
urlpatterns = [path("api/probe/", probe.urls), path("", include("llmlora_site.urls"))]
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def caller(student: User) -> Client:
    _token, plain = create_token(student, name="", days=1)
    return Client(headers={"Authorization": f"Bearer {plain}"})


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("conflict", 409, "conflict"),
        ("unavailable", 503, "unavailable"),
        ("faults", 422, "invalid"),
        ("http404", 404, "not_found"),
        ("forbidden", 403, "forbidden"),
        ("large", 413, "too_large"),
        ("teapot", 418, "bad_request"),
        ("locked", 503, "unavailable"),
        ("bug", 500, "internal"),
    ],
)
def test_each_failure_has_its_status_and_no_inner_detail(
    caller: Client, kind: str, status: int, code: str
) -> None:
    answer = caller.get(f"/api/probe/raise/{kind}")

    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert answer.json()["message"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert ("Retry-After" in answer) == (status in (429, 503))


def test_faults_name_field_or_line(caller: Client) -> None:
    assert caller.get("/api/probe/raise/faults").json()["errors"] == [
        {"field": "name", "message": "Too long."},
        {"line": 3, "message": "No comma."},
    ]


def _echo(caller: Client, body: str | bytes) -> tuple[int, dict[str, object]]:
    answer = caller.post("/api/probe/echo", body, content_type="application/json")
    return answer.status_code, answer.json()


def test_wrong_values_are_told_with_the_path_of_the_field(caller: Client) -> None:
    status, body = _echo(caller, json.dumps({"lora_config": {"r": "many"}}))

    assert status == 422
    assert body["errors"] == [
        {"field": "name", "message": "This field is required."},
        {"field": "lora_config.r", "message": "This must be a whole number."},
    ]


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "a", "rate": NaN}',
        '{"name": "a", "rate": -Infinity}',
        '{"name": "a", "rate": 1e400}',
        '{"name": "half \\ud800 a pair"}',
        '{"name": "nul \\u0000"}',
        '{"name": ',
        "",
        "not json",
        b"\xff\xfe\x00",
        "[" * 100_000,
        '{"name": "a", "rate": ' + "9" * 5000 + "}",
    ],
)
def test_a_body_that_is_no_json_is_refused(caller: Client, body: str | bytes) -> None:
    status, answer = _echo(caller, body)

    assert status in (400, 422)
    assert answer["message"]


def test_a_body_of_another_shape_is_refused(caller: Client) -> None:
    assert _echo(caller, "[1, 2]")[0] == 422
    assert _echo(caller, '"text"')[0] == 422


def test_a_true_surrogate_pair_is_text(caller: Client) -> None:
    assert _echo(caller, '{"name": "\\ud83d\\ude00 日本語"}')[1]["name"] == "😀 日本語"


def test_numbers_that_json_does_not_have_are_answered_as_null(caller: Client) -> None:
    assert caller.get("/api/probe/numbers").json() == {"loss": None, "points": [1.5, None]}


def test_an_id_of_the_wrong_shape_is_not_found(caller: Client) -> None:
    assert caller.get("/api/probe/things/1").status_code == 404


def test_a_list_has_items_and_count(caller: Client) -> None:
    page = caller.get("/api/probe/list?limit=2&offset=298").json()

    assert page == {"items": [298, 299], "count": 300}
    assert len(caller.get("/api/probe/list").json()["items"]) == 50


def test_a_list_may_belong_to_a_thing(caller: Client) -> None:
    thing_id = "6f8f1c1e-9a4b-4f55-9d0e-3f5f0a0c2b11"

    page = caller.get(f"/api/probe/things/{thing_id}/parts").json()

    assert page == {"items": [thing_id], "count": 1}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "offset=-1", "limit=x", f"offset={2**70}"]
)
def test_a_list_outside_its_limits_is_refused(caller: Client, query: str) -> None:
    answer = caller.get(f"/api/probe/list?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] in ("limit", "offset")


@pytest.mark.parametrize("address", ["/api/nothing", "/api/", "/api/auth/me/", "/api/auth"])
def test_an_unknown_address_answers_in_json(caller: Client, address: str) -> None:
    answer = caller.get(address)

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_a_wrong_method_answers_in_json(caller: Client) -> None:
    answer = caller.delete("/api/auth/me")

    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"
    assert "GET" in answer["Allow"]


def test_a_signed_in_page_without_csrf_token_is_refused_and_a_stranger_hears_401(
    student: User,
) -> None:
    page = Client(enforce_csrf_checks=True)
    stranger = page.post("/api/probe/echo", '{"name": "a"}', content_type="application/json")
    page.force_login(student, backend="allauth.account.auth_backends.AuthenticationBackend")
    refused = page.post("/api/probe/echo", '{"name": "a"}', content_type="application/json")
    page.get("/api/docs")
    token = page.cookies["csrftoken"].value
    allowed = page.post(
        "/api/probe/echo",
        '{"name": "a"}',
        content_type="application/json",
        headers={"X-CSRFToken": token},
    )

    assert (stranger.status_code, refused.status_code, allowed.status_code) == (401, 403, 200)
    assert refused.json()["code"] == "forbidden"


@pytest.fixture
def translated(tmp_path: Path, settings: Any) -> None:
    """One sentence that surely has a Japanese form, whatever the product's message files hold."""
    folder = tmp_path / "ja" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    messages = polib.POFile()
    messages.metadata = {
        "Content-Type": "text/plain; charset=utf-8",
        "Plural-Forms": "nplurals=1; plural=0;",
    }
    messages.append(polib.POEntry(msgid="This field is required.", msgstr="必須です。"))
    messages.save_as_mofile(str(folder / "django.mo"))
    settings.LOCALE_PATHS = [tmp_path]


@pytest.mark.usefixtures("translated")
def test_messages_come_in_the_language_of_the_caller(caller: Client) -> None:
    answer = caller.post(
        "/api/probe/echo", "{}", content_type="application/json", headers={"Accept-Language": "ja"}
    )

    assert answer["Content-Language"] == "ja"
    assert answer.json()["errors"][0]["message"] == "必須です。"


@pytest.mark.usefixtures("translated")
def test_a_token_without_accept_language_gets_the_language_of_its_person(
    caller: Client, student: User
) -> None:
    User.objects.filter(pk=student.pk).update(language="ja")

    answer = caller.post("/api/probe/echo", "{}", content_type="application/json")

    assert answer.json()["errors"][0]["message"] == "必須です。"
    assert answer["Content-Language"] == "ja"


def test_the_description_lists_every_call_with_its_errors(db: None) -> None:
    schema = Client().get("/api/openapi.json").json()

    assert "/api/health" in schema["paths"]
    assert "422" in schema["paths"]["/api/auth/token"]["post"]["responses"]
    assert set(schema["components"]["securitySchemes"]) == {"TokenAuth", "PageAuth"}


def test_the_documentation_page_loads_only_own_files(db: None) -> None:
    page = Client().get("/api/docs")

    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script>" not in page.text
    assert "script-src 'self'" in page["Content-Security-Policy"]
