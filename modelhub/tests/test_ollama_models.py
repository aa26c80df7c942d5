"""Ollama's models as rows: who is listed, under which name, and what becomes of those that vanish."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.models import BaseModel
from modelhub.ollama.errors import OllamaError
from modelhub.ollama.licences import licence_name
from modelhub.ollama.names import full_name
from modelhub.ollama.syncing import ollama_name, sync_ollama_models, sync_quietly
from modelhub.services import sync_base_models
from modelhub.tests.ollama_server import OllamaServer

pytestmark = pytest.mark.django_db


def rows() -> dict[str, bool]:
    found = BaseModel.objects.filter(source=BaseModel.Source.OLLAMA)
    return dict(found.values_list("name", "is_enabled"))


def test_a_model_is_told_with_everything_that_ollama_knows(ollama: OllamaServer) -> None:
    ollama.add_model("llama3.2:1b")
    sync_ollama_models()
    row = BaseModel.objects.get(name="llama3.2:1b")
    assert row.is_enabled
    assert row.source == BaseModel.Source.OLLAMA
    assert row.digest == ollama.models["llama3.2:1b"]["digest"]
    assert (row.size_bytes, row.parameter_count) == (1_321_098_329, 1_235_814_432)
    assert (row.license, row.context_length, row.layer_count) == ("Apache-2.0", 131_072, 16)
    assert row.module_shapes == {}
    assert ollama_name(row) == "llama3.2:1b"


def test_models_that_can_not_talk_or_live_in_a_cloud_are_left_out(ollama: OllamaServer) -> None:
    ollama.add_model("talks:latest")
    ollama.add_model("embeds:latest", capabilities=["embedding"])
    ollama.add_model("old-embeds:latest", capabilities=None, details={"family": "nomic-bert"})
    ollama.add_model("old-talks:latest", capabilities=None)
    ollama.add_model("cloud:latest")
    ollama.models["cloud:latest"]["remote_host"] = "https://ollama.com:443"
    sync_ollama_models()
    assert rows() == {"talks:latest": True, "old-talks:latest": True}


def test_what_is_known_is_not_asked_again(ollama: OllamaServer) -> None:
    ollama.add_model("talks:latest")
    sync_ollama_models()
    first = BaseModel.objects.get(name="talks:latest")
    sync_ollama_models()
    assert len(ollama.bodies("/api/show")) == 1
    ollama.models["talks:latest"] |= {"digest": "b" * 64, "size": 7}
    sync_ollama_models()
    again = BaseModel.objects.get(name="talks:latest")
    assert (again.pk, again.size_bytes) == (first.pk, 7)


def test_a_model_that_vanishes_is_disabled_and_comes_back(ollama: OllamaServer) -> None:
    ollama.add_model("talks:latest")
    sync_ollama_models()
    gone = ollama.models.pop("talks:latest")
    sync_ollama_models()
    assert rows() == {"talks:latest": False}
    ollama.models["talks:latest"] = gone
    sync_ollama_models()
    assert rows() == {"talks:latest": True}


def test_without_ollama_its_models_are_disabled_and_no_others(
    ollama: OllamaServer, settings: Any
) -> None:
    ollama.add_model("talks:latest")
    sync_base_models()
    sync_ollama_models()
    settings.OLLAMA_URL = ""
    sync_ollama_models()
    assert rows() == {"talks:latest": False}
    assert BaseModel.objects.filter(is_enabled=True, source="bundled").exists()


def test_a_look_at_the_catalogue_leaves_them_alone(ollama: OllamaServer) -> None:
    ollama.add_model("talks:latest")
    sync_ollama_models()
    sync_base_models()
    assert rows() == {"talks:latest": True}


@pytest.mark.parametrize(
    "answer",
    [b"<html>", {"models": None}, {}, {"error": "no"}],
    ids=["html", "null", "none", "error"],
)
def test_a_failed_look_changes_nothing(ollama: OllamaServer, answer: Any) -> None:
    ollama.add_model("talks:latest")
    sync_ollama_models()
    ollama.respond["/api/tags"] = lambda exchange: exchange.whole(answer)
    with pytest.raises(OllamaError):
        sync_ollama_models()
    sync_quietly()
    assert rows() == {"talks:latest": True}


def test_a_name_that_another_source_has_gets_a_prefix_and_keeps_it(ollama: OllamaServer) -> None:
    other = BaseModel.objects.create(name="same:latest", source="local", digest="c" * 64)
    for name in ("same:latest", "ollama/same:latest"):
        ollama.add_model(name)
    sync_ollama_models()
    assert rows() == {"ollama/same:latest": True, "ollama/ollama/same:latest": True}
    assert {ollama_name(row) for row in BaseModel.objects.filter(source="ollama")} == {
        "same:latest", "ollama/same:latest",
    }  # fmt: skip
    other.delete()
    sync_ollama_models()
    assert rows() == {"ollama/same:latest": True, "ollama/ollama/same:latest": True}


def test_a_model_that_is_deleted_between_list_and_question_is_no_failure(
    ollama: OllamaServer,
) -> None:
    ollama.add_model("talks:latest")
    ollama.add_model("gone:latest")
    del ollama.shows["gone:latest"]
    sync_ollama_models()
    assert rows() == {"talks:latest": True}


def test_numbers_and_texts_that_can_not_be_are_made_harmless(ollama: OllamaServer) -> None:
    ollama.add_model(
        "odd:latest",
        model_info={
            "general.architecture": "odd", "general.parameter_count": 10**40,
            "odd.context_length": 10**15, "odd.block_count": -3, "general.license": "l" * 500 + "\x00",
        },
    )  # fmt: skip
    ollama.models["odd:latest"] |= {"size": 1e300, "digest": "sha256:" + "d" * 200}
    ollama.models["broken"] = {"name": ["no", "text"]}
    ollama.models["long"] = {"name": "x" * 300, "digest": "e"}
    sync_ollama_models()
    row = BaseModel.objects.get(source="ollama")
    assert (row.size_bytes, row.parameter_count) == (2**63 - 1, 2**63 - 1)
    assert (row.context_length, row.layer_count) == (2**31 - 1, 0)
    assert (len(row.license), row.digest) == (80, "d" * 64)


@pytest.mark.parametrize(
    ("parameters", "context_length"),
    [
        ("num_ctx                        4096", 4096),
        ("num_ctx 999999999", 131_072),
        ("num_ctx x", 131_072),
    ],
)
def test_a_context_that_its_maker_shortened_counts(
    ollama: OllamaServer, parameters: str, context_length: int
) -> None:
    ollama.add_model("talks:latest", parameters=parameters)
    sync_ollama_models()
    assert BaseModel.objects.get(source="ollama").context_length == context_length


@pytest.mark.parametrize(
    ("short", "text", "name"),
    [
        ("apache-2.0", "Something", "apache-2.0"),
        (None, "\n  MIT License\n\nCopyright", "MIT"),
        ("other", ["LLAMA 3.2  COMMUNITY LICENSE AGREEMENT\nLlama", "second"],
         "LLAMA 3.2 COMMUNITY LICENSE AGREEMENT"),
        (None, None, ""),
        (7, [], ""),
    ],
)  # fmt: skip
def test_a_licence_has_a_short_name(short: Any, text: Any, name: str) -> None:
    assert licence_name(short, text) == name


@pytest.mark.parametrize(
    ("text", "full"),
    [
        (" llama3.2 ", "llama3.2:latest"),
        ("llama3.2:1b-instruct-q4_K_M", "llama3.2:1b-instruct-q4_K_M"),
        ("aiko/garden", "aiko/garden:latest"),
        ("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M",
         "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M"),
        ("", None), (":", None), ("a:", None), (":b", None), ("/a", None), ("a//b", None),
        ("a b", None), ("../../etc/passwd", None), ("-flag", None), ("モデル", None), ("a:b:c", None),
        ("10.0.0.5:5000/library/model", None), ("https://ollama.com/library/llama3.2", None),
        ("intranet/library/model", None), ("a/b/c/d", None), ("x" * 81, None), ("a\n", "a:latest"),
        ("a\x00", None), ("hf.co/" + "u" * 80 + "/" + "m" * 80 + ":" + "t" * 80, None),
    ],
)  # fmt: skip
def test_a_name_is_whole_or_refused(text: str, full: str | None) -> None:
    assert full_name(text) == full
