"""Base models on the allow-list, and the workers that hold them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class BaseModel(models.Model):
    """One base model that may be tuned or talked to; kept in step with the catalogue and the models folder."""

    class Source(models.TextChoices):
        BUNDLED = "bundled", _("Bundled")
        HUB = "hub", _("Model hub")
        LOCAL = "local", _("Local folder")
        OLLAMA = "ollama", "Ollama"

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
    modified_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("base model")
        verbose_name_plural = _("base models")
        ordering = ["source", "name"]

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
