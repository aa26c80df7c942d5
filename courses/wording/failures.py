"""Why a job failed, in few words: for lists, where the whole sentence of its page has no room."""

from __future__ import annotations

from django.utils.translation import gettext as _


def failure_label(code: str) -> str:
    labels = {
        "dataset_unusable": _("Dataset unusable"),
        "unsupported_model": _("Model unsupported"),
        "unsupported_variant": _("Variant unsupported"),
        "adapter_unusable": _("Adapter unusable"),
        "diverged": _("Loss became infinite"),
        "out_of_memory": _("Out of memory"),
        "disk_full": _("Disk full"),
        "worker_lost": _("Worker lost"),
        "engine_died": _("Worker lost"),
    }
    return labels.get(code, _("Other failure"))
