"""Where the files of datasets and of imports lie in storage, and when one may go."""

from __future__ import annotations

import uuid

from django.core.files.storage import default_storage

from datasets_app.models import DatasetVersion


def dataset_prefix(dataset_id: uuid.UUID) -> str:
    return f"datasets/{dataset_id}"


def import_prefix(import_id: uuid.UUID) -> str:
    return f"imports/{import_id}"


def delete_unshared_file(version: DatasetVersion) -> None:
    """Delete the file of a version whose row is gone or was never saved, unless another version has it too."""
    if not DatasetVersion.objects.filter(file=version.file).exists():
        default_storage.delete(version.file)
