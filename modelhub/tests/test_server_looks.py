"""Whether other servers answer is seen by a worker and told beside their models, which stay offered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat.forms.model_choices import model_groups
from modelhub import server_looks
from modelhub.chat_servers import read_chat_servers
from modelhub.models import BaseModel
from modelhub.ollama.errors import OllamaError
from modelhub.ollama.syncing import sync_ollama_models
from modelhub.selectors import get_base_model
from modelhub.server_looks import look_after_chat_servers, look_at_chat_servers
from modelhub.services import sync_base_models
from modelhub.tests.ollama_server import OllamaServer
from modelhub.tests.test_chat_servers import setting

pytestmark = pytest.mark.django_db
LIST = "/v1/models"
AWAY = "“gpu” did not answer when it was last asked."
Trouble = BaseModel.Trouble


@pytest.fixture
def server(ollama: OllamaServer, settings: Any) -> OllamaServer:
    """In place of the remote service, a server that answers what a test says."""
    use(settings, settings.OLLAMA_URL)
    return ollama


def use(settings: Any, address: str, **entry: Any) -> None:
    entry = {"name": "gpu", "url": f"{address}/v1", "models": {"large": "org/large"}} | entry
    settings.CHAT_SERVERS = read_chat_servers(setting(entry))
    sync_base_models()


def trouble() -> str:
    look_at_chat_servers()
    return get_base_model("large").trouble


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, ""), (404, ""), (401, Trouble.KEY), (403, Trouble.KEY), (503, Trouble.AWAY)],
)
def test_what_a_server_says_is_noted(server: OllamaServer, status: int, expected: str) -> None:
    server.respond[LIST] = lambda exchange: exchange.whole({}, status)
    assert trouble() == expected


def test_a_server_that_is_away_keeps_its_models_with_a_sentence(
    server: OllamaServer,
    student: User,
    client_of: Callable[[User], Client],
    settings: Any,
) -> None:
    address = settings.OLLAMA_URL
    use(settings, "http://127.0.0.1:9")
    assert trouble() == Trouble.AWAY
    page = client_of(student).get(reverse("modelhub:model_list")).content.decode()
    assert AWAY in page
    (group,) = (group for group in model_groups(student) if group.title == "Chat servers")
    assert [choice.value for choice in group.choices] == ["large"]
    assert AWAY in group.note
    (told,) = (
        model["trouble"]
        for model in client_of(student).get("/api/models").json()["models"]
        if model["name"] == "large"
    )
    assert AWAY in told
    server.respond[LIST] = lambda exchange: exchange.whole({"data": []})
    use(settings, address)
    assert trouble() == ""
    assert AWAY not in client_of(student).get(reverse("modelhub:model_list")).content.decode()


def test_the_key_is_sent_and_one_that_is_missing_is_told(
    server: OllamaServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []

    def respond(exchange: Any) -> None:
        sent.append(exchange.headers["Authorization"])
        exchange.whole({})

    server.respond[LIST] = respond
    use(settings, settings.OLLAMA_URL, api_key_env="GPU_KEY")
    assert trouble() == Trouble.KEY
    monkeypatch.setenv("GPU_KEY", "secret")
    assert trouble() == ""
    assert sent == ["Bearer secret"]


def test_what_no_server_answers_any_more_has_no_trouble(
    server: OllamaServer, settings: Any
) -> None:
    use(settings, "http://127.0.0.1:9")
    assert trouble() == Trouble.AWAY
    settings.CHAT_SERVERS = ()
    sync_base_models()
    row = BaseModel.objects.get(name="large")
    assert (row.is_enabled, row.trouble) == (False, "")


def test_the_patrol_looks_once_a_minute(
    server: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_looks, "_looked_at", float("-inf"))
    server.respond[LIST] = lambda exchange: exchange.whole({})
    look_after_chat_servers()
    look_after_chat_servers()
    assert [path for path, _body in server.requests] == [LIST]


def test_an_ollama_that_is_away_is_told_until_it_is_back(
    ollama: OllamaServer, settings: Any, student: User
) -> None:
    ollama.add_model("talks:latest")
    sync_ollama_models()
    address = settings.OLLAMA_URL
    settings.OLLAMA_URL = "http://127.0.0.1:9"
    with pytest.raises(OllamaError):
        sync_ollama_models()
    assert get_base_model("talks:latest").trouble == Trouble.AWAY
    (group,) = (group for group in model_groups(student) if group.title == "Ollama")
    assert "“Ollama” did not answer when it was last asked." in group.note
    settings.OLLAMA_URL = address
    sync_ollama_models()
    assert get_base_model("talks:latest").trouble == ""
