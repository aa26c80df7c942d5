from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from engine.client import EngineClient
    from engine.models.loading import ModelHost, ResidentModel
    from engine.protocol import BaseModelRef


os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_base_model(tmp_path_factory: pytest.TempPathFactory) -> BaseModelRef:
    from engine.tests.factories import make_tiny_base_model

    return make_tiny_base_model(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def host() -> ModelHost:
    import torch

    from engine.models.devices import choose_device
    from engine.models.loading import ModelHost

    torch.set_num_threads(1)
    return ModelHost(choose_device("cpu"), chat_precision="float32")


@pytest.fixture
def resident(host: ModelHost, tiny_base_model: BaseModelRef) -> ResidentModel:
    return host.acquire(tiny_base_model)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[EngineClient]:
    from engine.client import EngineClient

    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    client = EngineClient(tmp_path / "engine.log", environment)
    yield client
    client.close()
