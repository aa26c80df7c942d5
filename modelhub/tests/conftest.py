"""An Ollama for the tests of models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from modelhub.tests.ollama_server import OllamaServer, running_ollama


@pytest.fixture
def ollama(settings: Any) -> Iterator[OllamaServer]:
    with running_ollama() as (server, address):
        settings.OLLAMA_URL = address
        yield server
