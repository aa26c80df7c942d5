"""Uploaded training data: a dataset, its immutable versions, and what happens around them."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Cohort
from common.models import UuidModel


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def owned_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        return self.filter(owner_id=user.pk) if user.is_authenticated else self.none()

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """A person's own datasets, those shared with a cohort of theirs, and those of courses."""
        if not user.is_authenticated:
            return self.none()
        shared = Q(
            visibility=Dataset.Visibility.COHORT,
            # A subquery instead of a join: nobody's dataset is found twice.
            cohort__in=Cohort.objects.of(user).values("pk"),
        )
        return self.filter(Q(owner_id=user.pk) | shared | Q(visibility=Dataset.Visibility.COURSE))


class Dataset(UuidModel):
    """A named set of examples; its data stands in versions."""

    class Type(models.TextChoices):
        INSTRUCTION = "instruction", _("Instruction")
        CHAT = "chat", _("Chat")
        COMPLETION = "completion", _("Completion")

    class Visibility(models.TextChoices):
        PRIVATE = "private", _("Only you")
        COHORT = "cohort", _("A cohort")
        COURSE = "course", _("Everyone in a course")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="datasets"
    )
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    type = models.CharField(_("type"), max_length=12, choices=Type)
    visibility = models.CharField(
        _("who may see it"), max_length=8, choices=Visibility, default=Visibility.PRIVATE
    )
    cohort = models.ForeignKey(
        Cohort,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="datasets",
        verbose_name=_("cohort"),
    )
    course = models.CharField(_("course"), max_length=40, blank=True)
    collects_rows = models.BooleanField(_("members of the cohort add rows"), default=False)
    last_number = models.PositiveIntegerField(default=1)
    """The highest number that a version ever had: a deleted one is not given again."""

    forked_from = models.ForeignKey(
        "DatasetVersion", null=True, blank=True, on_delete=models.SET_NULL, related_name="forks"
    )
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

    file holds one JSON record a line, in the shapes of engine.data.records; versions of a dataset with the same digest
    share one file. issues is a list of `{severity, code, count, places}` (datasets_app.intake.findings); statistics is
    what datasets_app.intake.statistics gives; token_stats holds `{total, minimum, mean, maximum, counted}` of the
    default base model; change says how the version came to be, as `{code, ...}` (datasets_app.wording.sentences).
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(default=1)
    file = models.CharField(max_length=300)
    digest = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    example_count = models.PositiveIntegerField()
    rejected_count = models.PositiveIntegerField(default=0)
    character_count = models.PositiveBigIntegerField(default=0)
    token_stats = models.JSONField(default=dict)
    issues = models.JSONField(default=list)
    statistics = models.JSONField(default=dict)
    source_name = models.CharField(max_length=200, blank=True)
    source_format = models.CharField(max_length=10, blank=True)
    source_encoding = models.CharField(max_length=20, blank=True)
    source_mapping = models.JSONField(default=dict)
    change = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
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


class DatasetImport(UuidModel):
    """A file on its way to a dataset: kept until it is one, so that nothing has to be uploaded twice.

    raw_file is what was uploaded, as it came. report is the outcome of the last check (datasets_app.intake.outcome);
    mapping is what the person chose, or empty.
    """

    class State(models.TextChoices):
        CHECKING = "checking", _("Being checked")
        OPEN = "open", _("Needs a decision")
        DONE = "done", _("Saved")
        FAILED = "failed", _("Failed")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="dataset_imports"
    )
    state = models.CharField(max_length=8, choices=State, default=State.CHECKING)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=2000)
    type = models.CharField(max_length=12, blank=True)
    target = models.ForeignKey(Dataset, null=True, on_delete=models.CASCADE, related_name="imports")
    result = models.ForeignKey(Dataset, null=True, on_delete=models.SET_NULL, related_name="+")
    raw_file = models.CharField(max_length=300, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    source_name = models.CharField(max_length=200, blank=True)
    hub_source = models.JSONField(default=dict)
    mapping = models.JSONField(default=dict)
    skips_rejected = models.BooleanField(default=False)
    report = models.JSONField(default=dict)
    error = models.JSONField(default=dict)
    done_bytes = models.PositiveBigIntegerField(default=0)
    done_rows = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("dataset import")
        verbose_name_plural = _("dataset imports")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "created_at"], name="dataset_import_waiting")]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    @property
    def progress_percent(self) -> int | None:
        """How much of the file is checked; None before anything is known."""
        if not self.size_bytes or not self.done_bytes:
            return None
        return min(99, 100 * self.done_bytes // self.size_bytes)


class ColumnMapping(models.Model):
    """Which columns a person chose the last time for a file with these columns."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="column_mappings"
    )
    signature = models.CharField(max_length=64)
    mapping: Any = models.JSONField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "signature"], name="column_mapping_once_per_columns"
            )
        ]

    def __str__(self) -> str:
        return f"{self.owner_id} {self.signature[:12]}"


class HubRepository(UuidModel):
    """A dataset of the Hugging Face Hub that instructors allow."""

    repository = models.CharField(_("repository"), max_length=200, unique=True)
    revision = models.CharField(_("revision"), max_length=64, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("allowed Hub dataset")
        verbose_name_plural = _("allowed Hub datasets")
        ordering = ["repository"]

    def __str__(self) -> str:
        return self.repository


class Contribution(UuidModel):
    """A row that a member of the cohort offers to a class dataset."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        ACCEPTED = "accepted", _("Accepted")
        REJECTED = "rejected", _("Rejected")

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="contributions")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="contributions"
    )
    record: Any = models.JSONField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    version = models.ForeignKey(
        DatasetVersion, null=True, on_delete=models.SET_NULL, related_name="contributions"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    reviewed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("contribution")
        verbose_name_plural = _("contributions")
        ordering = ["created_at"]
        indexes = [models.Index(fields=["dataset", "state"], name="contribution_by_state")]

    def __str__(self) -> str:
        return f"{self.author_id} to {self.dataset_id}"


class DatasetEvent(UuidModel):
    """Who took data out or away, and when; it outlives the dataset."""

    class Action(models.TextChoices):
        EXPORTED = "exported", _("Downloaded")
        DELETED = "deleted", _("Deleted")
        VERSION_DELETED = "version_deleted", _("Version deleted")
        SHARED = "shared", _("Sharing changed")

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    action = models.CharField(_("action"), max_length=16, choices=Action)
    dataset_id = models.UUIDField()
    dataset_name = models.CharField(_("dataset"), max_length=120)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("dataset event")
        verbose_name_plural = _("dataset events")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["dataset_id", "-created_at"], name="dataset_event_newest")]

    def __str__(self) -> str:
        return f"{self.action} {self.dataset_name}"
