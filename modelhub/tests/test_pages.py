"""The page of models: everybody reads it; instructors fetch, watch and stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from modelhub.chat_servers import ChatServer
from modelhub.models import BaseModel, ModelPull
from modelhub.ollama.syncing import sync_ollama_models
from modelhub.services import sync_base_models
from modelhub.tests.ollama_server import VERSION, OllamaServer

pytestmark = pytest.mark.django_db
PAGE = reverse("modelhub:model_list")
PULL = reverse("modelhub:pull_new")
STATUS = reverse("modelhub:ollama_status")
REFRESH = reverse("modelhub:refresh")
Sign = Callable[[User], Client]
BOARD = {"HX-Request": "true", "HX-Target": "model-board"}


@pytest.fixture
def reader(student: User, client_of: Sign) -> Client:
    return client_of(student)


@pytest.fixture
def teacher(instructor: User, client_of: Sign) -> Client:
    return client_of(instructor)


def text_of(client: Client, address: str = PAGE, **options: Any) -> str:
    return client.get(address, **options).content.decode()


def stop(pull: ModelPull) -> str:
    return reverse("modelhub:pull_stop", args=[pull.pk])


def test_who_is_signed_out_signs_in_first(client: Client) -> None:
    assert client.get(PAGE).status_code == 302


def test_a_student_reads_what_there_is_and_changes_nothing(
    reader: Client, ollama: OllamaServer
) -> None:
    ollama.add_model("llama3.2:1b")
    sync_base_models()
    sync_ollama_models()
    pull = ModelPull.objects.create(name="secret:latest")
    page = text_of(reader)
    assert "llama3.2:1b" in page
    assert "On other servers" in page
    assert "?model=llama3.2%3A1b" in page
    assert "1.24 B" in page
    assert "secret:latest" not in page
    assert PULL not in page
    for address in (PULL, REFRESH, stop(pull)):
        assert reader.post(address, {"name": "llama3.2"}).status_code == 403
    assert reader.get(STATUS).status_code == 403
    assert ModelPull.objects.get().status == ModelPull.Status.PENDING


def test_an_instructor_asks_for_a_model(teacher: Client, ollama: OllamaServer) -> None:
    answer = teacher.post(PULL, {"name": " llama3.2 "}, follow=True)
    assert "“llama3.2:latest” is being fetched." in answer.content.decode()
    pull = ModelPull.objects.get()
    board = text_of(teacher, headers=BOARD)
    assert "<html" not in board
    assert 'hx-trigger="every 1s"' in board
    assert stop(pull) in board
    assert "Waiting for a worker" in board


@pytest.mark.parametrize("name", ["", "https://ollama.com/library/llama3.2", "<script>"])
def test_a_bad_name_is_told_at_its_field_and_stays_to_be_mended(
    teacher: Client, ollama: OllamaServer, name: str
) -> None:
    answer = teacher.post(PULL, {"name": name})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in page
    assert "<script>" not in page
    assert not ModelPull.objects.exists()


def test_without_ollama_the_page_says_how_to_set_it_up(teacher: Client, settings: Any) -> None:
    settings.OLLAMA_URL = ""
    page = text_of(teacher)
    assert "OLLAMA_URL=" in page
    assert PULL not in page
    assert teacher.post(PULL, {"name": "llama3.2"}).status_code == 503


def test_progress_is_shown_while_it_grows_and_the_poll_ends_with_it(
    teacher: Client, ollama: OllamaServer
) -> None:
    pull = ModelPull.objects.create(
        name="llama3.2:1b", status=ModelPull.Status.RUNNING, detail="pulling manifest"
    )
    assert "Asking the library" in text_of(teacher)
    fetched = {
        "detail": "pulling 5f",
        "total_bytes": 4_000_000_000,
        "completed_bytes": 1_000_000_000,
    }
    ModelPull.objects.update(**fetched)
    page = text_of(teacher)
    assert 'max="1" value="0.25"' in page
    assert "953.7" in page
    ModelPull.objects.update(status=ModelPull.Status.FAILED, error_code="disk_full")
    page = text_of(teacher)
    assert "disk" in page
    assert "every 1s" not in page
    assert stop(pull) not in page


def test_a_pull_is_stopped_from_the_page(teacher: Client, ollama: OllamaServer) -> None:
    pull = ModelPull.objects.create(name="llama3.2:1b")
    board = teacher.post(stop(pull), headers=BOARD)
    assert "HX-Trigger" in board
    assert "Stopped" in board.content.decode()
    again = teacher.post(stop(pull), follow=True)
    assert "nothing to stop" in again.content.decode()


def test_a_look_on_request_shows_what_is_new(teacher: Client, ollama: OllamaServer) -> None:
    ollama.add_model("llama3.2:1b")
    assert "llama3.2:1b" in teacher.post(REFRESH, follow=True).content.decode()
    ollama.respond["/api/tags"] = lambda exchange: exchange.whole(b"<html>")
    assert "does not speak as Ollama does" in teacher.post(REFRESH, follow=True).content.decode()
    assert BaseModel.objects.get(name="llama3.2:1b").is_enabled


def test_the_status_of_ollama_is_told_without_its_password(
    teacher: Client, ollama: OllamaServer, settings: Any
) -> None:
    settings.OLLAMA_URL = settings.OLLAMA_URL.replace("http://", "http://aiko:secret@")
    page = text_of(teacher, STATUS)
    assert VERSION in page
    assert "secret" not in page
    settings.OLLAMA_URL = "http://127.0.0.1:9"
    assert "Does not answer" in text_of(teacher, STATUS)


def test_the_page_asks_as_often_for_many_as_for_few(
    teacher: Client, instructor: User, ollama: OllamaServer
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            teacher.get(PAGE)
        return len(queries)

    ollama.add_model("m0:latest")
    sync_ollama_models()
    ModelPull.objects.create(name="p0:latest", requested_by=instructor)
    few = count()
    for number in range(1, 6):
        ollama.add_model(f"m{number}:latest")
        ModelPull.objects.create(name=f"p{number}:latest", requested_by=instructor)
    sync_ollama_models()
    assert count() == few


def test_instructors_see_pulls_in_admin(teacher: Client, ollama: OllamaServer) -> None:
    pull = ModelPull.objects.create(
        name="llama3.2:1b", status=ModelPull.Status.FAILED, error_code="disk_full"
    )
    assert "llama3.2:1b" in text_of(teacher, reverse("admin:modelhub_modelpull_changelist"))
    page = text_of(teacher, reverse("admin:modelhub_modelpull_change", args=[pull.pk]))
    assert "full" in page
    assert 'name="_save"' not in page


def test_a_model_of_this_installation_says_which_server_answers_for_it(
    reader: Client, settings: Any
) -> None:
    settings.CHAT_SERVERS = (
        ChatServer("gpu", "http://gpu.school.example/v1", models={"smollm2-135m-instruct": "smol"}),
    )
    sync_base_models()
    assert "<dd>gpu</dd>" in text_of(reader)
    settings.CHAT_SERVERS = ()
    assert "answered by" not in text_of(reader)
