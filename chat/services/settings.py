"""The settings of a session and of one message: the system prompt, and how answers are drawn."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from chat.models import ChatSession
from chat.sentences import sampling_fault_sentence
from chat.services.texts import read_text
from common.errors import Fault
from engine.config import InvalidConfigError, SamplingParams

SESSION_SETTINGS = ("system_prompt",)
"""What a session keeps beside the sampling that its messages start from."""


def read_settings(values: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """The system prompt and the sampling that every message starts from."""
    sampling = {name: value for name, value in values.items() if name not in SESSION_SETTINGS}
    clean = read_sampling(sampling, faults) if sampling else {}
    system_prompt = values.get("system_prompt", "")
    if not isinstance(system_prompt, str):
        faults.append(Fault(_("The system prompt must be text."), field="settings.system_prompt"))
    elif system_prompt.strip():
        clean["system_prompt"] = read_text(system_prompt, faults)
    return clean


def sampling_of(session: ChatSession) -> dict[str, Any]:
    return {name: value for name, value in session.settings.items() if name not in SESSION_SETTINGS}


def read_sampling(values: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """Every parameter, with the default where none was given."""
    try:
        return SamplingParams.from_mapping(values).to_dict()
    except InvalidConfigError as error:
        faults += [
            Fault(sampling_fault_sentence(fault), field=f"settings.{fault.name}")
            for fault in error.faults
        ]
        return {}
