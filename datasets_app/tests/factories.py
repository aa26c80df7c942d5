"""Real datasets for tests, made by the same services as everybody's."""

from __future__ import annotations

import json
from typing import Any

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import User
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.services.creating import create_dataset, create_dataset_from_upload

INSTRUCTION = {"instruction": "Who waters the garden?", "output": "Class 2B waters it."}
CHAT = {
    "messages": [
        {"role": "user", "content": "Are you open on Sunday?"},
        {"role": "assistant", "content": "No, but the return box is."},
    ]
}
COMPLETION = {"prompt": "The bell", "completion": " rings in D minor."}


def json_lines(*records: Any) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def make_dataset(owner: User, *, name: str = "Garden", records: list[Any] | None = None) -> Dataset:
    return create_dataset(owner, name=name, records=records or [INSTRUCTION])


def upload(
    owner: User, content: bytes, file_name: str = "examples.jsonl", **labels: Any
) -> Dataset:
    return create_dataset_from_upload(owner, file=SimpleUploadedFile(file_name, content), **labels)


def stored_files() -> list[str]:
    """Every file of every dataset in storage."""
    try:
        folders, _files = default_storage.listdir("datasets")
    except FileNotFoundError:
        return []
    return [name for folder in folders for name in default_storage.listdir(f"datasets/{folder}")[1]]


def assert_nothing_stored(files_before: list[str]) -> None:
    assert Dataset.objects.count() == 0
    assert DatasetVersion.objects.count() == 0
    assert stored_files() == files_before
