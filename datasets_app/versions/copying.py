"""A version that holds the same examples as another one."""

from __future__ import annotations

from typing import Any

from datasets_app.models import DatasetVersion

# What belongs to one version alone; everything else says what its examples are.
_OWN_FIELDS = frozenset({"id", "dataset", "number", "file", "change", "created_by", "created_at"})


def copied_version(source: DatasetVersion, **own_fields: Any) -> DatasetVersion:
    """A new, unsaved version with the facts of source."""
    facts = {
        field.attname: getattr(source, field.attname)
        for field in DatasetVersion._meta.concrete_fields
        if field.name not in _OWN_FIELDS
    }
    return DatasetVersion(**facts, **own_fields)
