"""What a row of evidence is about: whether it is still there, and whether the reader may open it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

from accounts.models import User
from courses.models import Evidence
from datasets_app.models import Dataset, DatasetVersion
from training.models import TrainingJob


@dataclass(frozen=True, slots=True)
class Subject:
    """
    Attributes:
        address: empty where the reader may not open it, or where it has no page.
        is_gone: it was deleted since; the evidence stays.
    """

    address: str = ""
    is_gone: bool = False


class Subjects:
    """Of some rows, in four queries however many they are."""

    def __init__(self, rows: Iterable[Evidence], reader: User) -> None:
        rows = list(rows)
        self._jobs = _Known(rows, "job")
        self._datasets = _Known(rows, "dataset")
        if self._jobs.wanted:
            jobs = TrainingJob.objects.filter(pk__in=self._jobs.wanted)
            self._jobs.existing = set(jobs.values_list("pk", flat=True))
            visible = TrainingJob.objects.visible_to(reader).filter(pk__in=self._jobs.wanted)
            for pk in visible.values_list("pk", flat=True):
                self._jobs.addresses[pk] = reverse("training:job_detail", args=[pk])
        if self._datasets.wanted:
            versions = dict(
                DatasetVersion.objects.filter(pk__in=self._datasets.wanted).values_list(
                    "pk", "dataset_id"
                )
            )
            self._datasets.existing = set(versions)
            visible_ids = set(
                Dataset.objects.visible_to(reader)
                .filter(pk__in=versions.values())
                .values_list("pk", flat=True)
            )
            for pk, dataset_id in versions.items():
                if dataset_id in visible_ids:
                    address = reverse("datasets:dataset_detail", args=[dataset_id])
                    self._datasets.addresses[pk] = address

    def of(self, row: Evidence) -> Subject:
        for known in (self._jobs, self._datasets):
            if row.kind == known.kind:
                return known.of(row.subject_id)
        return Subject()


class _Known:
    def __init__(self, rows: Iterable[Evidence], kind: str) -> None:
        self.kind = kind
        self.wanted = {UUID(row.subject_id) for row in rows if row.kind == kind}
        self.existing: set[UUID] = set()
        self.addresses: dict[UUID, str] = {}

    def of(self, subject_id: str) -> Subject:
        pk = UUID(subject_id)
        return Subject(self.addresses.get(pk, ""), is_gone=pk not in self.existing)
