"""A person has a copy of their data over the API."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import DataRequest, User
from accounts.privacy.asking import ask_erasure
from accounts.privacy.running import run_due_requests
from accounts.tokens import create_token

pytestmark = pytest.mark.django_db
ADDRESS = "/api/me/exports"
Sign = Callable[[User], Client]


@pytest.fixture
def client(student: User) -> Client:
    _token, plain = create_token(student)
    return Client(headers={"Authorization": f"Bearer {plain}"})


def test_a_copy_is_asked_for_made_listed_and_downloaded(client: Client, student: User) -> None:
    asked = client.post(ADDRESS)
    assert asked.status_code == 202
    one = f"{ADDRESS}/{asked.json()['id']}"
    assert (asked.json()["state"], asked.json()["available_until"]) == ("waiting", None)
    assert client.get(f"{one}/archive").status_code == 404
    assert client.post(ADDRESS).status_code == 409
    assert run_due_requests() == 1
    ready = client.get(one).json()
    assert ready["state"] == "done"
    assert ready["available_until"] > ready["finished_at"]
    assert client.get(ADDRESS).json() == {"items": [ready], "count": 1}
    answer = client.get(f"{one}/archive")
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert "manifest.json" in archive.namelist()


def test_it_is_taken_back_before_it_begins(client: Client) -> None:
    one = f"{ADDRESS}/{client.post(ADDRESS).json()['id']}"
    assert client.delete(one).status_code == 204
    assert client.get(one).json()["state"] == "cancelled"
    assert client.delete(one).status_code == 409
    assert run_due_requests() == 0


def test_others_have_none_of_it(
    client: Client, student: User, other_student: User, client_of: Sign
) -> None:
    one = f"{ADDRESS}/{client.post(ADDRESS).json()['id']}"
    run_due_requests()
    other = client_of(other_student)
    assert other.get(ADDRESS).json()["count"] == 0
    for address in (one, f"{one}/archive", f"{ADDRESS}/{uuid4()}"):
        assert other.get(address).status_code == 404
    assert other.delete(one).status_code == 404
    assert Client().get(ADDRESS).status_code == 401


def test_an_erasure_is_no_copy_and_is_not_taken_back_here(client: Client, student: User) -> None:
    erasure = ask_erasure(student)
    assert client.get(ADDRESS).json()["count"] == 0
    assert client.delete(f"{ADDRESS}/{erasure.pk}").status_code == 404
    assert DataRequest.objects.get().state == DataRequest.State.WAITING
