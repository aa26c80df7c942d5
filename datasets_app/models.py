"""Uploaded training data: a dataset and its immutable versions."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        return self.filter(owner_id=user.pk) if user.is_authenticated else self.none()


class Dataset(UuidModel):
    """A named set of examples; its data stands in versions."""

    class Type(models.TextChoices):
        INSTRUCTION = "instruction", _("Instruction")
        CHAT = "chat", _("Chat")
        COMPLETION = "completion", _("Completion")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="datasets"
    )
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    type = models.CharField(_("type"), max_length=12, choices=Type)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        verbose_name = _("dataset")
        verbose_name_plural = _("datasets")
        ordering = ["-created_at"]
        # The list page reads one owner's datasets, newest first.
        indexes = [models.Index(fields=["owner", "-created_at"], name="dataset_owner_newest")]

    def __str__(self) -> str:
        return self.name

    @property
    def latest(self) -> DatasetVersion:
        """The newest version; it costs no query where versions are prefetched."""
        return self.versions.all()[0]


class DatasetVersion(UuidModel):
    """The examples as they were at one time; never changed, only superseded.

    file holds one JSON record a line, in the shapes of engine.data.records. issues is a list of
    `{severity, code, count, lines, params}`; token_stats holds `{total, minimum, mean, maximum, counted}` of the
    default base model.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(default=1)
    file = models.CharField(max_length=300)
    digest = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    example_count = models.PositiveIntegerField()
    character_count = models.PositiveBigIntegerField(default=0)
    token_stats = models.JSONField(default=dict)
    issues = models.JSONField(default=list)
    source_name = models.CharField(max_length=200, blank=True)
    source_format = models.CharField(max_length=10, blank=True)
    source_encoding = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("dataset version")
        verbose_name_plural = _("dataset versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "number"], name="dataset_version_number_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset_id} v{self.number}"
