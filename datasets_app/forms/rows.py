"""Forms for one example, one for each shape; fields of the record that they do not show are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from common.errors import Fault

MAX_TURNS = 60
"""Each turn is three fields of a request, and a request may have 200."""
Record = dict[str, Any]


class RowForm(forms.Form):
    """An example whose parts stand in fields of the same name."""

    fields_template = "datasets_app/row_fields.html"

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        return cls(initial={name: record.get(name) for name in cls.base_fields})

    @classmethod
    def of_request(cls, data: QueryDict) -> Self:
        return cls(data)

    def record(self, old: Mapping[str, Any]) -> Record:
        """old with what was typed."""
        record = dict(old)
        for name in self.base_fields:
            typed = _as_written(self.cleaned_data[name], old.get(name))
            # What was empty stays as it was: absent, null or an empty text.
            if typed or old.get(name):
                record[name] = typed
        return record

    def add_faults(self, faults: list[Fault]) -> None:
        """Say what is wrong at the field that a fault names, or above the form."""
        for fault in faults:
            name = fault.field if fault.field in self.fields else None
            self.add_error(name, str(fault.message))

    def reshape(self, _data: QueryDict) -> bool:
        """Whether the request only changes the form; this one never changes."""
        return False


def _text(label: Any, *, rows: int, required: bool = True) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        # What the model learns may begin with a space.
        strip=False,
        widget=forms.Textarea(attrs={"rows": rows, "dir": "auto"}),
    )


class InstructionForm(RowForm):
    instruction = _text(_("Instruction"), rows=3)
    input = _text(_("Input"), rows=3, required=False)
    output = _text(_("Output"), rows=5)
    system = _text(_("System"), rows=2, required=False)


class PromptForm(RowForm):
    prompt = _text(_("Prompt"), rows=4)
    completion = _text(_("Completion"), rows=4)


class TextForm(RowForm):
    text = _text(_("Text"), rows=8)


class TurnForm(forms.Form):
    """One turn of a chat; origin is its place in the record as it was, which may hold more about it."""

    role = forms.ChoiceField(
        label=_("Role"),
        choices=[("system", _("System")), ("user", _("User")), ("assistant", _("Assistant"))],
    )
    content = _text(_("Text"), rows=3)
    origin = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    def clean_content(self) -> str:
        content: str = self.cleaned_data["content"]
        if not content.strip():
            raise forms.ValidationError(_("Write something in this turn, or remove it."))
        return content


class ChatForm:
    """The turns of a chat. Turns are added and removed by buttons that send the form."""

    fields_template = "datasets_app/chat_fields.html"

    def __init__(self, turns: list[TurnForm]) -> None:
        self.turns = turns
        self.refusals: list[str] = []

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        messages = record.get("messages") or []
        values = [
            {"role": message["role"], "content": message["content"], "origin": place}
            for place, message in enumerate(messages)
        ]
        return cls(_unbound(values or [{"role": "user"}, {"role": "assistant"}]))

    @classmethod
    def of_request(cls, data: QueryDict) -> Self:
        return cls([TurnForm(data, prefix=_prefix(place)) for place in range(_turn_count(data))])

    @property
    def max_turns(self) -> int:
        return MAX_TURNS

    def is_valid(self) -> bool:
        # Every turn is looked at, so that all faults are told at once.
        refused = [turn for turn in self.turns if not turn.is_valid()]
        return not refused and not self.refusals

    def record(self, old: Mapping[str, Any]) -> Record:
        """old with these turns; what else old knows about a turn is kept."""
        before = old.get("messages") or []
        messages = []
        for turn in self.turns:
            typed = turn.cleaned_data
            origin = typed["origin"]
            known = before[origin] if origin is not None and origin < len(before) else {}
            content = _as_written(typed["content"], known.get("content"))
            messages.append({**known, "role": typed["role"], "content": content})
        return {**old, "messages": messages}

    def add_faults(self, faults: list[Fault]) -> None:
        self.refusals += [str(fault.message) for fault in faults]

    def reshape(self, data: QueryDict) -> bool:
        """Add or remove a turn when the request asks for that; whether it did."""
        values: list[dict[str, Any]] = [
            {name: data.get(f"{_prefix(place)}-{name}") for name in TurnForm.base_fields}
            for place in range(_turn_count(data))
        ]
        removed = data.get("remove_turn", "")
        if "add_turn" in data and len(values) < MAX_TURNS:
            is_answered = not values or values[-1]["role"] != "user"
            values.append({"role": "user" if is_answered else "assistant"})
        elif removed.isdecimal() and int(removed) < len(values) > 1:
            del values[int(removed)]
        elif "add_turn" not in data and not removed:
            return False
        self.turns = _unbound(values)
        if "add_turn" in data:
            self.turns[-1].fields["content"].widget.attrs["autofocus"] = True
        return True


ExampleForm = RowForm | ChatForm


def form_class_for(dataset_type: str, record: Mapping[str, Any]) -> type[RowForm] | type[ChatForm]:
    """The form for a record of this type and shape."""
    if dataset_type == "chat":
        return ChatForm
    if dataset_type == "instruction":
        return InstructionForm
    return TextForm if "text" in record else PromptForm


def has_too_many_turns(record: Mapping[str, Any]) -> bool:
    return len(record.get("messages") or []) > MAX_TURNS


def _unbound(values: list[dict[str, Any]]) -> list[TurnForm]:
    return [
        TurnForm(initial=initial, prefix=_prefix(place)) for place, initial in enumerate(values)
    ]


def _prefix(place: int) -> str:
    return f"turn-{place}"


def _turn_count(data: QueryDict) -> int:
    """How many turns were sent, at least one."""
    given = data.get("turns", "")
    return max(1, min(int(given), MAX_TURNS)) if given.isdecimal() and len(given) < 4 else 1


def _as_written(typed: str, old: Any) -> str:
    """What was typed with plain line ends, or the old text itself when only its line ends differ."""
    plain = _plain_lines(typed)
    return old if isinstance(old, str) and _plain_lines(old) == plain else plain


def _plain_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
