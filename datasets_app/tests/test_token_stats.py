"""Token statistics: counted exactly while small, sampled evenly when large, left out without a base model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.conf import LazySettings
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from accounts.models import User
from datasets_app import token_stats
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import INSTRUCTION, make_dataset
from engine.catalog import SMOLLM2
from engine.models.cache import FORMAT_VERSION, MANIFEST, REQUIRED_FILES, prepared_dir
from llmlora_site.home import Home

pytestmark = pytest.mark.django_db


@pytest.fixture
def empty_cache(settings: LazySettings, tmp_path: Path) -> Path:
    """The base model is not prepared; the model cache that the other tests share stays as it is."""
    settings.LLMLORA_HOME = Home(tmp_path)
    settings.LLMLORA_HOME.create()
    return settings.LLMLORA_HOME.model_cache


@pytest.fixture
def counted_by_word(empty_cache: Path) -> None:
    """The default base model with a tokenizer that makes one token of each word."""
    folder = prepared_dir(empty_cache, SMOLLM2)
    folder.mkdir(parents=True)
    for name in REQUIRED_FILES:
        (folder / name).touch()
    tokenizer = Tokenizer(WordLevel({"word": 0}, unk_token="word"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {name: (folder / name).stat().st_size for name in REQUIRED_FILES}
    manifest = {"format_version": FORMAT_VERSION, "source_sha256": SMOLLM2.sha256, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.usefixtures("empty_cache")
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
