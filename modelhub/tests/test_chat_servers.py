"""The setting that names other servers: what it may hold, which model answers where, and the rows that follow it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from common.errors import NotFoundError
from engine.catalog import DEFAULT_BASE_MODEL
from modelhub.chat_servers import ENGINE, OLLAMA, UNKNOWN, backend_name, read_chat_servers
from modelhub.models import BaseModel
from modelhub.selectors import (
    get_base_model,
    get_trainable_base_model,
    is_talkable,
    trainable_base_models,
)
from modelhub.services import sync_base_models

ENTRY = {"name": "gpu", "url": "http://gpu.example:8001/v1/", "models": {"ours": "theirs"}}


def setting(*entries: Any) -> str:
    return json.dumps(list(entries))


def test_a_server_with_everything() -> None:
    text = setting(
        ENTRY | {"api_key_env": "GPU_KEY", "adapters": "vllm", "adapter_path": "/mnt/media/"}
    )
    (server,) = read_chat_servers(text, storage_path="/home/media")
    assert (server.name, server.url, server.host) == (
        "gpu",
        "http://gpu.example:8001/v1",
        "gpu.example",
    )
    assert (server.api_key_env, server.models) == ("GPU_KEY", {"ours": "theirs"})
    assert (server.takes_adapters, server.adapter_path) == (True, "/mnt/media")


def test_adapters_stand_in_our_storage_where_nothing_else_is_said() -> None:
    (server,) = read_chat_servers(setting(ENTRY | {"adapters": "vllm"}), storage_path="/home/media")
    assert server.adapter_path == "/home/media"


def test_nothing_is_no_server() -> None:
    assert read_chat_servers(" ") == read_chat_servers("[]") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"name": "gpu"}', "must be a JSON list"),
        (setting("gpu"), "entry 1 must be an object"),
        (setting({"name": "gpu"}), "entry 1 lacks models, url"),
        (setting(ENTRY, ENTRY | {"key": "sk-1"}), "entry 2 has the unknown key 'key'"),
        (setting(ENTRY | {"name": ""}), "name of entry 1"),
        (setting(ENTRY | {"name": 7}), "name of entry 1"),
        (setting(ENTRY | {"name": "Ollama"}), "is taken"),
        (setting(ENTRY | {"url": "gpu.example/v1"}), "url of entry 1 must be an address"),
        (setting(ENTRY | {"url": "file:///etc/passwd"}), "url of entry 1 must be an address"),
        (setting(ENTRY | {"url": "http://gpu.example:99999/v1"}), "must be an address"),
        (setting(ENTRY | {"url": "http://gpu.example/v1\r\nX: y"}), "must be an address"),
        (setting(ENTRY | {"url": ["http://gpu.example/v1"]}), "must be an address"),
        (setting(ENTRY | {"url": "http://gpu.example/v1?key=1"}), "without ? or #"),
        (setting(ENTRY | {"url": "http://me:secret@gpu.example/v1"}), "api_key_env"),
        (setting(ENTRY | {"api_key_env": "sk-abc"}), "not the key itself"),
        (setting(ENTRY | {"models": {}}), "models of entry 1"),
        (setting(ENTRY | {"models": {"ours": 1}}), "models of entry 1"),
        (setting(ENTRY | {"models": ["ours"]}), "models of entry 1"),
        (setting(ENTRY | {"adapters": "peft"}), 'adapters of entry 1 must be "vllm" or "none"'),
        (setting(ENTRY | {"adapters": "vllm", "adapter_path": "media"}), "absolute path"),
        (setting(ENTRY, ENTRY), "two servers are named 'gpu'"),
        (setting(ENTRY, ENTRY | {"name": "other"}), "two servers offer 'ours'"),
    ],
)
def test_what_can_not_be_used_is_said_at_the_start(text: str, words: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read_chat_servers(text, storage_path="/media")
    assert str(refused.value).startswith("LLMLORA_CHAT_SERVERS: ")
    assert words in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "model", "question", "place"),
    [
        ("bundled", "elsewhere", {"is_tuned": False}, ENGINE),
        ("bundled", "plain", {"is_tuned": False}, "llama"),
        ("local", "plain", {"is_tuned": True}, ENGINE),
        ("local", "tunable", {"is_tuned": True}, "vllm"),
        ("local", "tunable", {"is_tuned": True, "is_scored": True}, ENGINE),
        ("server", "plain", {"is_tuned": False, "is_scored": True}, "llama"),
        ("server", "gone", {"is_tuned": False}, UNKNOWN),
        ("ollama", "plain", {"is_tuned": False}, OLLAMA),
    ],
)
def test_where_a_model_answers(
    source: str, model: str, question: dict[str, bool], place: str, settings: LazySettings
) -> None:
    settings.CHAT_SERVERS = read_chat_servers(
        setting(
            ENTRY | {"name": "llama", "models": {"plain": "m"}},
            ENTRY | {"name": "vllm", "models": {"tunable": "m"}, "adapters": "vllm"},
        ),
        storage_path="/media",
    )
    assert backend_name(source, model, **question) == place


def test_models_that_only_a_server_has_come_and_go_with_the_setting(
    db: None, settings: LazySettings
) -> None:
    models = {"large": "org/large-70b", DEFAULT_BASE_MODEL: "org/small"}
    settings.CHAT_SERVERS = read_chat_servers(setting(ENTRY | {"models": models}))
    sync_base_models()
    large = get_base_model("large")
    assert (large.source, large.module_shapes, large.context_length) == ("server", {}, 0)
    assert is_talkable(large)
    assert get_base_model(DEFAULT_BASE_MODEL).source != BaseModel.Source.SERVER
    assert large not in trainable_base_models()
    with pytest.raises(NotFoundError, match="not tuned here"):
        get_trainable_base_model("large")
    settings.CHAT_SERVERS = ()
    sync_base_models()
    assert not BaseModel.objects.get(name="large").is_enabled
    assert get_base_model(DEFAULT_BASE_MODEL).is_enabled
    settings.CHAT_SERVERS = read_chat_servers(setting(ENTRY | {"models": models}))
    sync_base_models()
    assert get_base_model("large").pk == large.pk
