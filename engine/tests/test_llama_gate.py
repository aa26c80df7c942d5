"""The gate before llama.cpp draws answers of the bundled model: eight-bit weights must predict as float32 does."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from engine.inference.llama_cpp.binding import find_library
from engine.inference.llama_cpp.files import base_file
from engine.inference.llama_cpp.model import LlamaModel
from engine.inference.llama_cpp.trial import llama_quality
from engine.models.devices import choose_device
from engine.models.loading import ModelHost, ResidentModel
from engine.tests.factories import SHARED_MODEL_CACHE, prepared_bundled_model

pytestmark = [
    pytest.mark.bundled,
    pytest.mark.slow,
    pytest.mark.skipif(find_library() is None, reason="llama.cpp is not to be had here"),
]


@pytest.fixture(scope="module")
def resident() -> ResidentModel:
    return ModelHost(choose_device("cpu")).acquire(prepared_bundled_model())


@pytest.fixture(scope="module")
def model(resident: ResidentModel) -> Iterator[LlamaModel]:
    """With the weights that chats use."""
    model = LlamaModel(base_file(SHARED_MODEL_CACHE / "llama", resident.ref, "Q8_0"))
    yield model
    model.close()


def test_eight_bits_predict_as_float32_does(resident: ResidentModel, model: LlamaModel) -> None:
    quality = llama_quality(model, resident, threads=os.cpu_count() or 1)
    assert quality.is_enough
    # With no difference at all the same weights would have been compared.
    assert quality.kl_nats > 0.001
    assert quality.top1_agreement > 0.9
