"""The official `openai` client against a running installation: real web server, worker and engine, on a tiny model."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from conftest import create_home
from engine.tests.factories import make_tiny_base_model
from tests.e2e.product import ROOT, Product

pytestmark = pytest.mark.e2e

JOB_SECONDS = 60
ENROL = """
from accounts.models import User
from accounts.tokens import create_token
for name in ("aiko", "ben", "chiyo"):
    print(create_token(User.objects.create_user(name), name="test", days=1)[1])
"""
RECORDS = [
    {"instruction": f"Who waters bed {number}?", "output": f"Class {number}B."}
    for number in range(1, 13)
]
QUESTION: Any = [{"role": "user", "content": "Who waters bed 3?"}]
GREEDY: Any = {"messages": QUESTION, "temperature": 0, "max_tokens": 24}
# The untouched model is random: left to its likeliest token, it has nothing to say.
DRAWN: Any = GREEDY | {"temperature": 2, "seed": 1}
# With these the talkative one goes on for more than a thousand tokens.
ENDLESS: Any = {
    "messages": [{"role": "user", "content": "Go on."}],
    "temperature": 2,
    "seed": 5,
    "max_tokens": 4096,
}


@dataclass(frozen=True)
class Installation:
    product: Product
    tokens: list[str]
    tuned: str

    def client(self, person: int = 0, **options: Any) -> OpenAI:
        return OpenAI(**self._options(person) | options)

    def async_client(self, person: int = 0) -> AsyncOpenAI:
        return AsyncOpenAI(**self._options(person))

    def reply_states(self) -> list[str]:
        """Of every reply, the oldest first."""
        with sqlite3.connect(self.product.home / "db.sqlite3") as database:
            rows = database.execute("SELECT status FROM chat_reply ORDER BY created_at")
            return [status for (status,) in rows]

    def _options(self, person: int) -> dict[str, Any]:
        return {
            "base_url": f"{self.product.address}/v1",
            "api_key": self.tokens[person],
            "max_retries": 0,
            "timeout": 60,
        }


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home = create_home(tmp_path_factory.mktemp("openai") / "home")
    make_tiny_base_model(home.local_models / "tiny")
    make_tiny_base_model(home.local_models / "talkative", seed=1, context_length=8192)
    product = Product(home.root, LLMLORA_SKIP_BUNDLED="1")
    try:
        product.wait_ready()
        tokens = enrol(product)
        yield Installation(product, tokens, f"job-{train(product, tokens[0])}")
    finally:
        product.stop()


def enrol(product: Product) -> list[str]:
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", ENROL]
    environment = os.environ | {"LLMLORA_HOME": str(product.home)}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.split()


def train(product: Product, token: str) -> str:
    """A job whose adapter answers otherwise than its base model."""

    def call(path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            product.address + path,
            json.dumps(body).encode() if body is not None else None,
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    dataset = call("/api/datasets", {"name": "Garden", "data": RECORDS})
    order = {
        "name": "Garden",
        "model_name": "tiny",
        "dataset_id": dataset["id"],
        "lora_config": {"r": 8, "alpha": 16},
        "training_config": {
            "num_epochs": 20,
            "batch_size": 12,
            "max_length": 128,
            "learning_rate": 2e-2,
        },
    }
    job_id = call("/api/training/jobs", order)["id"]
    deadline = time.monotonic() + JOB_SECONDS
    while (status := call(f"/api/training/jobs/{job_id}")["status"]) != "completed":
        assert status in ("pending", "running")
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return str(job_id)


def whole(client: OpenAI, model: str, **changes: Any) -> str:
    completion = client.chat.completions.create(model=model, **GREEDY | changes)
    return completion.choices[0].message.content or ""


def streamed(client: OpenAI, model: str, **changes: Any) -> str:
    chunks = client.chat.completions.create(model=model, stream=True, **GREEDY | changes)
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


# --- models -------------------------------------------------------------------------------------------


def test_models_are_listed_and_found(installation: Installation) -> None:
    client = installation.client()
    models = {model.id: model for model in client.models.list()}
    assert {"tiny", installation.tuned} <= set(models)
    assert client.models.retrieve(installation.tuned) == models[installation.tuned]
    assert installation.tuned not in {model.id for model in installation.client(1).models.list()}


# --- answers ------------------------------------------------------------------------------------------


def test_streamed_and_whole_answers_are_the_same_text(installation: Installation) -> None:
    client = installation.client()
    answers = {}
    for model, sampling in (("tiny", DRAWN), (installation.tuned, GREEDY)):
        answers[model] = whole(client, model, **sampling)
        assert streamed(client, model, **sampling) == answers[model] != ""
    assert answers["tiny"] != answers[installation.tuned]


def test_usage_and_the_reason_of_the_end(installation: Installation) -> None:
    client = installation.client()
    completion = client.chat.completions.create(
        model=installation.tuned, **GREEDY | {"max_tokens": 3}
    )
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 3
    *_text, end, usage = client.chat.completions.create(
        model=installation.tuned,
        stream=True,
        stream_options={"include_usage": True},
        **GREEDY | {"max_tokens": 3},
    )
    assert end.choices[0].finish_reason == "length"
    assert usage.usage is not None
    assert usage.usage.total_tokens == completion.usage.total_tokens


def test_a_conversation_in_japanese(installation: Installation) -> None:
    turns: Any = [
        {"role": "system", "content": "短く答えてください。"},
        {"role": "user", "content": "花だんの水やりは？"},
        {"role": "assistant", "content": "3年B組です。👩‍🌾"},
        {"role": "user", "content": [{"type": "text", "text": "明日は？"}]},
    ]
    client = installation.client()
    sampling = DRAWN | {"messages": turns}
    assert whole(client, "tiny", **sampling) == streamed(client, "tiny", **sampling) != ""


def test_an_answer_ends_before_a_stop_text(installation: Installation) -> None:
    client = installation.client()
    text = whole(client, installation.tuned)
    stop = text[2:4]
    assert whole(client, installation.tuned, stop=stop) == text[: text.index(stop)]
    assert streamed(client, installation.tuned, stop=[stop]) == text[: text.index(stop)]


def test_a_seed_repeats_an_answer(installation: Installation) -> None:
    client = installation.client()
    drawn = {"temperature": 1.5, "max_tokens": 12}
    first = whole(client, "tiny", seed=7, **drawn)
    assert whole(client, "tiny", seed=7, **drawn) == first
    assert whole(client, "tiny", seed=8, **drawn) != first


def test_log_probabilities(installation: Installation) -> None:
    completion = installation.client().chat.completions.create(
        model=installation.tuned, logprobs=True, top_logprobs=2, **GREEDY
    )
    logprobs = completion.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content
    for token in logprobs.content:
        assert len(token.top_logprobs) == 2
        assert token.logprob == token.top_logprobs[0].logprob <= 0


def in_a_loop(work: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: beside the browser tests this one runs a loop already."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work).result()


def test_many_streams_at_once_are_each_their_own(installation: Installation) -> None:
    in_a_loop(_ask_six_at_once(installation))


async def _ask_six_at_once(installation: Installation) -> None:
    async with installation.async_client(1) as client:

        async def ask(number: int) -> str:
            turns: Any = [{"role": "user", "content": f"Bed {number}?"}]
            text = ""
            async for chunk in await client.chat.completions.create(
                model="tiny", stream=True, **DRAWN | {"messages": turns}
            ):
                text += chunk.choices[0].delta.content or ""
            return text

        together = await asyncio.gather(*map(ask, range(6)))
        assert together == [await ask(number) for number in range(6)]
    assert len(set(together)) > 1


def test_a_reader_who_leaves_frees_the_place(installation: Installation) -> None:
    client = installation.client()
    chunks = client.chat.completions.create(model="talkative", stream=True, **ENDLESS)
    for chunk in chunks:
        if chunk.choices[0].delta.content:
            break
    chunks.close()
    deadline = time.monotonic() + 10
    while (state := installation.reply_states()[-1]) == "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert state == "cancelled"


# --- failures -----------------------------------------------------------------------------------------


def test_failures_are_the_clients_own_exceptions(installation: Installation) -> None:
    client = installation.client()
    with pytest.raises(openai.AuthenticationError):
        installation.client(api_key="llm_wrong").models.list()
    for client_of_another in (installation.client(1), installation.client(2)):
        with pytest.raises(openai.NotFoundError) as missing:
            whole(client_of_another, installation.tuned)
        assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad:
        whole(client, "tiny", temperature=9)
    assert bad.value.param == "temperature"
    with pytest.raises(openai.APIStatusError) as large:
        whole(client, "tiny", messages=[{"role": "user", "content": "a" * 1_000_000}])
    assert large.value.status_code == 413
    with pytest.raises(openai.BadRequestError) as long:
        whole(client, "tiny", messages=[{"role": "user", "content": "word " * 400}])
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.APIError, match="longer than the model"):
        streamed(client, "tiny", messages=[{"role": "user", "content": "word " * 400}])


def test_too_many_requests_are_told_when_to_come_back(installation: Installation) -> None:
    in_a_loop(_ask_too_much(installation))


async def _ask_too_much(installation: Installation) -> None:
    async with installation.async_client(2) as client:
        calls = [
            client.chat.completions.create(model="tiny", **GREEDY | {"max_tokens": 1})
            for _number in range(40)
        ]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused = [item for item in outcomes if isinstance(item, BaseException)]
    assert 10 <= len(refused) < 40
    for error in refused:
        assert isinstance(error, openai.RateLimitError)
        assert int(error.response.headers["retry-after"]) > 0
