"""Base models on the allow-list, pulls of new ones, and the workers that hold them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel


class BaseModel(models.Model):
    """One base model that may be tuned or talked to; kept in step with the catalogue and the models folder."""

    class Source(models.TextChoices):
        BUNDLED = "bundled", _("Bundled")
        HUB = "hub", _("Model hub")
        LOCAL = "local", _("Local folder")
        OLLAMA = "ollama", "Ollama"
        SERVER = "server", _("Chat server")

    class Trouble(models.TextChoices):
        AWAY = "away", _("Its server does not answer")
        KEY = "key", _("Its server refuses the key")

    REMOTE = frozenset({Source.OLLAMA, Source.SERVER})
    """Sources whose models are not on this host's disk: they can be talked to, not tuned."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    source = models.CharField(_("source"), max_length=10, choices=Source)
    digest = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField(default=0)
    parameter_count = models.PositiveBigIntegerField(default=0)
    license = models.CharField(_("licence"), max_length=80, blank=True)
    languages = models.JSONField(default=list)
    context_length = models.PositiveIntegerField(default=2048)
    layer_count = models.PositiveIntegerField(default=0)
    module_shapes = models.JSONField(default=dict)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    trouble = models.CharField(_("trouble"), max_length=10, choices=Trouble, blank=True)
    modified_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("base model")
        verbose_name_plural = _("base models")
        ordering = ["source", "name"]

    def __str__(self) -> str:
        return self.name


class ModelPull(UuidModel):
    """A model that Ollama was asked to fetch, and how far it is. Failures are told by error_code and error_params."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Stopped")

    name = models.CharField(_("name"), max_length=200)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="model_pulls"
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    detail = models.CharField(max_length=200, blank=True)
    total_bytes = models.PositiveBigIntegerField(default=0)
    completed_bytes = models.PositiveBigIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error_params = models.JSONField(default=dict)
    is_cancel_requested = models.BooleanField(default=False)
    renewed_at = models.DateTimeField(auto_now=True)
    created_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("model pull")
        verbose_name_plural = _("model pulls")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(status__in=["pending", "running"]),
                name="model_pull_one_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Worker(models.Model):
    """A worker process and its device, as it last reported.

    `calibration` holds what was measured on its device. A worker that does not fit this installation is refused:
    `refusal_code` and `refusal_params` make the sentence. A paused one finishes what it holds and claims nothing.
    """

    CUDA = "cuda"
    """The device of a worker with an NVIDIA GPU."""

    class State(models.TextChoices):
        STARTING = "starting", _("Starting")
        READY = "ready", _("Ready")
        BUSY = "busy", _("Busy")
        REFUSED = "refused", _("Refused")
        DOWN = "down", _("Down")

    name = models.CharField(_("name"), max_length=200, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.STARTING)
    device = models.CharField(_("device"), max_length=40, blank=True)
    device_name = models.CharField(max_length=200, blank=True)
    dtype = models.CharField(max_length=20, blank=True)
    version = models.CharField(max_length=20, blank=True)
    pid = models.PositiveIntegerField(default=0)
    engine_pid = models.PositiveIntegerField(null=True, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    refusal_code = models.CharField(max_length=40, blank=True)
    refusal_params = models.JSONField(default=dict)
    host = models.CharField(_("host"), max_length=200, blank=True)
    memory_bytes = models.PositiveBigIntegerField(default=0)
    clock_skew_seconds = models.FloatField(default=0)
    is_paused = models.BooleanField(_("paused"), default=False)
    calibration = models.JSONField(default=dict)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_count = models.PositiveBigIntegerField(default=0)
    heartbeat_at = models.DateTimeField()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_at_work(self) -> bool:
        """Whether it takes work."""
        return self.state in (self.State.READY, self.State.BUSY)

    @property
    def has_cuda(self) -> bool:
        return self.device == self.CUDA


class Installation(models.Model):
    """What all parts of one installation must agree on; there is one row.

    storage_nonce also stands in a file in storage: a worker that reads another one, or none, has another storage.
    """

    storage_nonce = models.CharField(max_length=64)
    version = models.CharField(max_length=20)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.version
