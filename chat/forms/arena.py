"""The question of a duel, and the vote on its answers."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from chat.forms.message import NOT_TEXT
from chat.models import Vote


class DuelForm(forms.Form):
    """What both adapters are asked. Text rules are the service's."""

    prompt = forms.CharField(
        label=_("Your question to both"),
        required=False,
        strip=False,
        error_messages={"null_characters_not_allowed": NOT_TEXT},
        widget=forms.Textarea(attrs={"rows": 3, "class": "textarea", "autocomplete": "off"}),
    )


class VerdictForm(forms.Form):
    """One of the two, a tie, or none; the value of one of the two is its model's id."""

    verdict = forms.CharField(
        max_length=64, error_messages={"required": _("Choose one of the four answers.")}
    )

    def verdict_arguments(self) -> dict[str, str]:
        """What end_duel takes."""
        chosen = self.cleaned_data["verdict"]
        if chosen in (Vote.Verdict.TIE, Vote.Verdict.NONE):
            return {"verdict": chosen}
        return {"verdict": Vote.Verdict.BETTER, "winner_id": chosen}
