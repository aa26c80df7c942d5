"""Datasets of the Hugging Face Hub, from a small Hub of our own that speaks the part of its protocol that is needed."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.errors import InvalidInputError, UnavailableError
from datasets_app.execution import run_import
from datasets_app.models import DatasetImport, HubRepository
from datasets_app.selectors import latest_version, read_records
from datasets_app.services.fetching import fetch_from_hub
from engine.data.hub import exit_status
from engine.data.hub_status import NOT_FOUND, NOT_READABLE, UNAVAILABLE

pytestmark = pytest.mark.django_db
REPOSITORY = "school/garden"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = [
    {"question": f"Who waters bed {n}?", "answer": f"Class {n} waters it.", "page": n}
    for n in range(7)
]
FILE = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
SOURCE = {
    "repository": REPOSITORY,
    "revision": "",
    "configuration": "",
    "split": "train",
    "columns": [],
    "max_rows": 5,
}


class SmallHub(BaseHTTPRequestHandler):
    """One repository with one JSON-lines file; everything else is not found."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        info = {
            "id": REPOSITORY,
            "sha": COMMIT,
            "private": False,
            "tags": [],
            "siblings": [{"rfilename": "train.jsonl"}],
        }
        file = {"type": "file", "path": "train.jsonl", "size": len(FILE), "oid": _digest()}
        base = f"/api/datasets/{REPOSITORY}"
        if (
            path.startswith((f"{base}/revision", f"{base}/paths-info", f"{base}/tree"))
            or path == base
        ):
            self._send([file] if "tree" in path or "paths-info" in path else info)
        elif path.endswith("/train.jsonl"):
            self._send(None, FILE)
        else:
            self.send_response(404)
            self.send_header(
                "X-Error-Code", "EntryNotFound" if REPOSITORY in path else "RepoNotFound"
            )
            self.send_header("Content-Length", "0")
            self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def _send(self, value: Any, content: bytes = b"") -> None:
        content = content or json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{_digest()}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


def _digest() -> str:
    return hashlib.sha1(FILE, usedforsecurity=False).hexdigest()


@pytest.fixture
def _hub(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SmallHub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    settings.HUB_ENABLED = True
    HubRepository.objects.create(repository=REPOSITORY)
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("_hub")
def test_rows_are_fetched_by_a_worker_and_become_a_dataset(student: User) -> None:
    order = fetch_from_hub(student, source=SOURCE)
    assert order.state == DatasetImport.State.CHECKING
    run_import(order.pk)
    order.refresh_from_db()
    assert order.state == DatasetImport.State.DONE, order.error
    assert order.result is not None
    version = latest_version(order.result)
    assert order.result.name == "garden"
    assert read_records(version, limit=9) == [
        {"instruction": row["question"], "output": row["answer"]} for row in ROWS[:5]
    ]
    assert version.source_name == "school/garden (train)"


@pytest.mark.usefixtures("_hub")
@pytest.mark.parametrize(
    "change", [{"split": "nowhere"}, {"columns": ["nothing"]}, {"configuration": "x"}]
)
def test_a_split_or_column_that_is_not_there_is_told(change: dict[str, Any], student: User) -> None:
    order = fetch_from_hub(student, source=SOURCE | change)
    run_import(order.pk)
    order.refresh_from_db()
    assert (order.state, order.error["reason"]) == (DatasetImport.State.FAILED, "hub_not_found")


@pytest.mark.usefixtures("_hub")
def test_only_allowed_datasets_are_fetched(student: User) -> None:
    with pytest.raises(InvalidInputError, match="not on the list"):
        fetch_from_hub(student, source=SOURCE | {"repository": "someone/else"})
    assert not DatasetImport.objects.exists()


def test_a_hub_that_can_not_be_reached_is_told(
    student: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HUB_ENABLED = True
    # Nobody listens at the discard port of this machine.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    HubRepository.objects.create(repository=REPOSITORY)
    order = fetch_from_hub(student, source=SOURCE)
    run_import(order.pk)
    order.refresh_from_db()
    assert (order.state, order.error["reason"]) == (DatasetImport.State.FAILED, "hub_unavailable")


def test_offline_the_page_says_so_and_takes_nothing(
    student: User, client_of: Callable[[User], Client]
) -> None:
    address = f"{reverse('datasets:dataset_new')}?source=hub"
    repository = HubRepository.objects.create(repository=REPOSITORY)
    client = client_of(student)
    assert "switched off on this server" in client.get(address).content.decode()
    body = {"repository": str(repository.pk), "split": "train", "max_rows": "5"}
    answer = client.post(address, body)
    assert answer.status_code == 503
    assert "can not be reached" in answer.content.decode()
    with pytest.raises(UnavailableError):
        fetch_from_hub(student, source=SOURCE)


@pytest.mark.usefixtures("_hub")
def test_the_form_queues_what_was_chosen(
    student: User, client_of: Callable[[User], Client]
) -> None:
    address = f"{reverse('datasets:dataset_new')}?source=hub"
    body = {
        "repository": str(HubRepository.objects.get().pk),
        "split": "train",
        "columns": "question, answer",
        "max_rows": "3",
        "name": "Beds",
    }
    answer = client_of(student).post(address, body)
    order = DatasetImport.objects.get()
    assert answer["Location"] == reverse("datasets:dataset_import", args=[order.pk])
    assert order.hub_source == SOURCE | {"columns": ["question", "answer"], "max_rows": 3}
    bad = client_of(student).post(address, body | {"max_rows": "0"})
    assert bad.status_code == 422


def test_failures_of_the_library_end_in_one_of_three_ways() -> None:
    cause = ValueError("bad")
    cause.__cause__ = ConnectionError()
    assert exit_status(cause) == UNAVAILABLE
    assert exit_status(ValueError("Unknown split")) == NOT_FOUND
    assert exit_status(RuntimeError("parquet")) == NOT_READABLE
