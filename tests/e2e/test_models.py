"""Ollama's models as a school uses them: an instructor fetches one, sees it come and talks to it; so does a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from conftest import create_home
from engine.tests.factories import make_tiny_base_model
from modelhub.tests.ollama_server import WAIT_SECONDS, Exchange, OllamaServer, running_ollama
from tests.e2e.conftest import Visitor
from tests.e2e.product import ROOT, Product
from tests.e2e.test_main_flow import CHAT_ADDRESS, sign_up

pytestmark = pytest.mark.e2e

LIMIT_MILLISECONDS = 60_000
LIMIT_SECONDS = 60
PASSWORD = "a-long-and-quiet-passphrase"
ENROL = f"""
from accounts.models import User
from accounts.tokens import create_token
for name in ("teacher-en", "teacher-ja", "program"):
    person = User.objects.create_user(name, password="{PASSWORD}", is_staff=True)
    print(create_token(person, name="test", days=1)[1])
"""
TOTAL_BYTES = 1_300_000_000
Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[OllamaServer, str]]:
    with running_ollama() as ollama:
        yield ollama


@pytest.fixture(scope="module")
def product(
    tmp_path_factory: pytest.TempPathFactory, running: tuple[OllamaServer, str]
) -> Iterator[Product]:
    """With an Ollama beside it; web server, worker and Redis are real."""
    home = create_home(tmp_path_factory.mktemp("e2e-models") / "home")
    make_tiny_base_model(home.local_models / "tiny")
    installation = Product(home.root, LLMLORA_SKIP_BUNDLED="1", OLLAMA_URL=running[1])
    try:
        installation.wait_ready()
        yield installation
    finally:
        installation.stop()


@pytest.fixture(scope="module")
def token(product: Product) -> str:
    """Of an instructor's program; the instructors are made with it."""
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", ENROL]
    environment = os.environ | {"LLMLORA_HOME": str(product.home)}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.split()[-1]


@pytest.fixture
def ollama(running: tuple[OllamaServer, str]) -> OllamaServer:
    return running[0]


def sign_in(page: Page, username: str) -> None:
    page.goto("/accounts/login/")
    page.fill("[name=login]", username)
    page.fill("[name=password]", PASSWORD)
    page.locator("form:has([name=password]) button[type=submit]").click()
    page.wait_for_url("**/")


def half_then_wait(go_on: threading.Event, ollama: OllamaServer) -> Callable[[Exchange], None]:
    """A pull that stands in the middle until the test has looked at it."""
    layer = {"status": "pulling 5f", "digest": "sha256:" + "5" * 64, "total": TOTAL_BYTES}

    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line({"status": "pulling manifest"})
        exchange.line(layer | {"completed": TOTAL_BYTES // 2})
        go_on.wait(WAIT_SECONDS)
        exchange.line(layer | {"completed": TOTAL_BYTES})
        ollama.add_model(exchange.body["model"])
        exchange.line({"status": "success"})
        exchange.end()

    return respond


# --- a program -----------------------------------------------------------------------------------


def test_a_program_pulls_a_model_and_talks_to_it(
    product: Product, ollama: OllamaServer, token: str
) -> None:
    def call(path: str, body: Any = None, method: str | None = None) -> Any:
        request = urllib.request.Request(
            product.address + path,
            json.dumps(body).encode() if body is not None else None,
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:
            return json.load(answer)

    name = "hf.co/school/Garden-1B-GGUF:Q4_K_M"
    ollama.library[name] = [TOTAL_BYTES, 485]
    assert call("/api/models/health")["status"] == "ok"
    assert call(f"/api/models/check/{name}")["exists"] is False

    pull = call(f"/api/models/pull/{name}", {})
    deadline = time.monotonic() + LIMIT_SECONDS
    while pull["status"] in ("pending", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
        pull = call(f"/api/models/pulls/{pull['id']}")

    assert (pull["status"], pull["completed_bytes"]) == ("completed", TOTAL_BYTES + 485)
    models = {model["name"]: model for model in call("/api/models")["models"]}
    assert (models[name]["source"], models[name]["trainable"]) == ("ollama", False)

    session = call("/api/chat/sessions", {"name": "Garden", "model_name": name})
    order = {"session_id": session["id"], "message": "Who waters bed 3?", "temperature": 0}
    answer = call("/api/chat/generate", order)
    assert (answer["response"], answer["finish_reason"]) == ("Class 3B.", "stop")
    assert answer["timings"]["backend"] == "ollama"

    completion = call(
        "/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": "Who?"}]}
    )
    assert completion["choices"][0]["message"]["content"] == "Class 3B."


# --- people --------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ja"])
def test_an_instructor_fetches_a_model_and_talks_to_it(
    visit: Visit, ollama: OllamaServer, token: str, language: str
) -> None:
    visitor = visit(language, viewport={"width": 1280 if language == "en" else 360, "height": 860})
    page, name = visitor.page, f"garden-{language}:1b"
    go_on = threading.Event()
    ollama.respond["/api/pull"] = half_then_wait(go_on, ollama)
    sign_in(page, f"teacher-{language}")

    page.goto("/models/")
    expect(page.locator("#ollama-status .badge--success")).to_contain_text("0.34.1")
    page.fill("[name=name]", "https://ollama.com/library/garden")
    page.press("[name=name]", "Enter")
    expect(page.locator("[name=name]")).to_have_attribute("aria-invalid", "true")
    visitor.check_accessible()
    # The browser notes the refusal's status as an error.
    visitor.problems.clear()

    page.fill("[name=name]", name)
    page.press("[name=name]", "Enter")
    progress = page.locator("#model-board progress")
    expect(progress).to_have_attribute("value", "0.5", timeout=LIMIT_MILLISECONDS)
    page.locator("#model-board button[id^=stop-]").focus()
    expect(page.locator("#ollama-status .badge--success")).to_be_visible()
    visitor.check_accessible()
    page.reload()
    expect(progress).to_have_attribute("value", "0.5")
    go_on.set()
    expect(progress).to_have_count(0, timeout=LIMIT_MILLISECONDS)
    del ollama.respond["/api/pull"]

    row = page.locator("section[aria-labelledby=models-elsewhere] li", has_text=name)
    row.locator("a[href*='/chat/new/']").click()
    page.wait_for_url("**/chat/new/**")
    page.locator("form.new-chat button[type=submit]").click()
    page.wait_for_url(CHAT_ADDRESS)
    page.fill("#composer_text", "Who waters bed 3?")
    page.press("#composer_text", "Enter")
    expect(page.locator(".reply__text")).to_have_text("Class 3B.", timeout=LIMIT_MILLISECONDS)


def test_a_pull_is_stopped_from_the_page(visit: Visit, ollama: OllamaServer, token: str) -> None:
    hung_up = threading.Event()

    def respond(exchange: Exchange) -> None:
        exchange.begin()
        exchange.line({"status": "pulling manifest"})
        if exchange.wait_hung_up():
            hung_up.set()

    ollama.respond["/api/pull"] = respond
    page = visit("en").page
    sign_in(page, "teacher-en")
    page.goto("/models/")
    page.fill("[name=name]", "endless:1b")
    page.press("[name=name]", "Enter")
    item = page.locator("#model-board li", has_text="endless:1b")
    expect(item.locator(".badge--info")).to_be_visible(timeout=LIMIT_MILLISECONDS)
    item.locator("button").click()
    expect(item.locator(".badge--neutral")).to_be_visible(timeout=LIMIT_MILLISECONDS)
    assert hung_up.wait(WAIT_SECONDS)
    expect(page.locator("#model-board[hx-trigger]")).to_have_count(0)
    del ollama.respond["/api/pull"]


def test_a_student_reads_the_list(visit: Visit, ollama: OllamaServer, token: str) -> None:
    visitor = visit("ja", viewport={"width": 360, "height": 800})
    sign_up(visitor.page, "pupil")
    visitor.page.goto("/models/")
    expect(visitor.page.locator("section[aria-labelledby=models-here]")).to_contain_text("tiny")
    expect(visitor.page.locator("#pull-form")).to_have_count(0)
    visitor.check_accessible()
