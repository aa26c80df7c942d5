"""The form that asks Ollama for a model."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from modelhub.ollama.names import MAX_CHARACTERS


class PullForm(forms.Form):
    name = forms.CharField(
        label=_("Name of the model"),
        # Bad names have one sentence, whoever asks: that of the service.
        required=False,
        max_length=MAX_CHARACTERS,
        help_text=_(
            "As ollama.com/library has it, for example llama3.2:1b; GGUF models of Hugging Face begin with hf.co/. "
            "Read the model's licence before your class uses it."
        ),
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    def add_refusal(self, error: DomainError) -> None:
        """What the service said, at the field where it has one."""
        for fault in error.faults:
            self.add_error(fault.field if fault.field in self.fields else None, str(fault.message))
        if not error.faults:
            self.add_error(None, str(error.message))
