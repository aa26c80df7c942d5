"""Settings and verdicts by the names that the forms and the diagnosis give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from courses.checks.params import SETTINGS
from training.diagnosis.wording import title_of


def setting_label(setting: str) -> str:
    """Of a setting with its prefix."""
    return _(SETTINGS[setting].label) if setting in SETTINGS else setting


def setting_list(settings: Mapping[str, Any]) -> str:
    """Labels, each with its value where there is one."""
    return ", ".join(
        setting_label(name) if value is None else f"{setting_label(name)} = {value}"
        for name, value in settings.items()
    )


def verdict_list(codes: Iterable[str]) -> str:
    return ", ".join(f"“{title_of(code)}”" for code in codes)
