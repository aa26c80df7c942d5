"""Token statistics: counted exactly while small, sampled evenly when large, left out without a base model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from accounts.models import User
from datasets_app import token_stats
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import INSTRUCTION, make_dataset
from engine.catalog import DEFAULT_BASE_MODEL
from modelhub.models import BaseModel

pytestmark = pytest.mark.django_db


@pytest.fixture
def counted_by_word(settings: LazySettings) -> Iterator[None]:
    """The default base model as a local folder whose tokenizer makes one token of each word."""
    folder = settings.LLMLORA_HOME.local_models / DEFAULT_BASE_MODEL
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    tokenizer = Tokenizer(WordLevel({"word": 0}, unk_token="word"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    BaseModel.objects.create(name=DEFAULT_BASE_MODEL, source=BaseModel.Source.LOCAL, digest="0")
    yield
    shutil.rmtree(folder)


def test_no_base_model_means_no_statistics(student: User) -> None:
    assert latest_version(make_dataset(student)).token_stats == {}


@pytest.mark.usefixtures("counted_by_word")
def test_small_datasets_are_counted_exactly(student: User) -> None:
    records = [{"text": "one"}, {"text": "two words"}, {"text": "these are six words of text"}]
    assert latest_version(make_dataset(student, records=records)).token_stats == {
        "total": 9,
        "minimum": 1,
        "mean": 3.0,
        "maximum": 6,
        "counted": 3,
    }


@pytest.mark.usefixtures("counted_by_word")
def test_every_text_of_an_example_counts(student: User) -> None:
    stats = latest_version(make_dataset(student, records=[INSTRUCTION])).token_stats
    assert stats["total"] == sum(len(text.split()) for text in INSTRUCTION.values())


@pytest.mark.usefixtures("counted_by_word")
def test_large_datasets_are_sampled_evenly(student: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_stats, "MAX_COUNTED_CHARACTERS", 100)
    records = [{"text": "word " * 8}] * 10
    stats = latest_version(make_dataset(student, records=records)).token_stats
    assert (stats["counted"], stats["total"], stats["mean"]) == (3, 80, 8.0)
