"""A message with the settings of its answer, and a message that is edited."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from chat.models import ChatSession, Message, Reply
from chat.sentences import sampling_fault_sentence
from chat.services.settings import sampling_of
from engine.config import InvalidValueError, Parameter, SamplingParams, read_value
from training.fields import NumberField

UNASKED = ("logprobs",)
"""Parameters for programs only."""
NOT_TEXT = gettext_lazy("The message contains characters that are not text. Type it again.")


def offered_parameters() -> dict[str, Parameter]:
    """The sampling parameters that a person sets, the usual ones first."""
    parameters = SamplingParams.parameters().items()
    return {
        name: parameter
        for is_advanced in (False, True)
        for name, parameter in parameters
        if parameter.advanced is is_advanced and name not in UNASKED
    }


class StopTextsField(forms.Field):
    """Texts, one on each line."""

    def __init__(self, parameter_name: str, parameter: Parameter, **kwargs: Any) -> None:
        self.parameter_name = parameter_name
        self.parameter = parameter
        widget = forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"})
        super().__init__(widget=widget, required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        text = str(value or "")
        if "\0" in text:
            raise ValidationError(NOT_TEXT, code="not_text")
        try:
            return read_value(self.parameter_name, self.parameter, text.splitlines())
        except InvalidValueError as fault:
            raise ValidationError(sampling_fault_sentence(fault), code=fault.reason) from fault


def _sampling_field(name: str, parameter: Parameter) -> forms.Field:
    kind = StopTextsField if parameter.kind == "strings" else NumberField
    label, help_text = gettext_lazy(parameter.label), gettext_lazy(parameter.help)
    return kind(name, parameter, label=label, help_text=help_text)


class MessageForm(forms.Form):
    """The composer: a message, and how its answer is drawn. Text rules are the service's."""

    text = forms.CharField(
        label=gettext_lazy("Message"),
        required=False,
        strip=False,
        error_messages={"null_characters_not_allowed": NOT_TEXT},
        widget=forms.Textarea(
            attrs={
                "rows": 1,
                "placeholder": gettext_lazy("Write a message"),
                "autocomplete": "off",
                "class": "composer__text",
            }
        ),
    )
    after = forms.UUIDField(
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid": gettext_lazy("Load the page again, then send the message.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, parameter in offered_parameters().items():
            self.fields[name] = _sampling_field(name, parameter)

    @classmethod
    def for_session(cls, session: ChatSession, **kwargs: Any) -> MessageForm:
        """Begins with the sampling of the last message, else of the session, else the defaults."""
        last = (
            Reply.objects.filter(message__session=session)
            .order_by("-created_at")
            .values_list("sampling", flat=True)
        )
        initial = SamplingParams().to_dict() | sampling_of(session) | (last.first() or {})
        return cls(initial=initial | {"after": session.head_id}, auto_id="composer_%s", **kwargs)

    @classmethod
    def of_request(cls, data: QueryDict) -> MessageForm:
        """A suggested question is sent as if it had been typed; a setting that is not given keeps its default."""
        defaults = {name: str(value) for name, value in _typed_defaults().items()}
        values = defaults | data.dict()
        values["text"] = data.get("suggestion") or data.get("text", "")
        return cls(values, auto_id="composer_%s")

    def clean(self) -> None:
        """Nobody types a hidden field: what is wrong with it is told above the form."""
        for sentence in self.errors.pop("after", []):
            self.add_error(None, sentence)

    def usual_fields(self) -> list[forms.BoundField]:
        return [self[name] for name, item in offered_parameters().items() if not item.advanced]

    def advanced_fields(self) -> list[forms.BoundField]:
        return [self[name] for name, item in offered_parameters().items() if item.advanced]

    def defaults(self) -> dict[str, Any]:
        """What each setting is reset to, as it is typed."""
        return _typed_defaults()

    def has_sampling_errors(self) -> bool:
        return any(self[name].errors for name in offered_parameters())

    def has_advanced_errors(self) -> bool:
        return any(field.errors for field in self.advanced_fields())

    def sampling(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in offered_parameters()}


def _typed_defaults() -> dict[str, Any]:
    plain = SamplingParams().to_dict()
    return {
        name: "\n".join(plain[name]) if isinstance(plain[name], list) else plain[name]
        for name in offered_parameters()
    }


class EditForm(forms.Form):
    """A message that is asked differently. Text rules are the service's."""

    text = forms.CharField(
        label=gettext_lazy("Your message"),
        required=False,
        strip=False,
        error_messages={"null_characters_not_allowed": NOT_TEXT},
        widget=forms.Textarea(attrs={"rows": 3, "class": "textarea", "autocomplete": "off"}),
    )

    @classmethod
    def of_message(cls, message: Message, data: QueryDict | None = None) -> EditForm:
        return cls(data, initial={"text": message.text}, auto_id=f"edit-{message.pk}-%s")
