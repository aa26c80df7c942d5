"""The name and the system prompt of a chat."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from chat.models import ChatSession
from chat.services.texts import MAX_NAME_CHARACTERS


class RenameForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=MAX_NAME_CHARACTERS)


class SystemPromptForm(forms.Form):
    """Its rules are the service's."""

    system_prompt = forms.CharField(
        label=gettext_lazy("System prompt"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy(
            "Instructions the model gets before the conversation. A change holds from the next answer on; "
            "what was answered before stays as it is."
        ),
        error_messages={
            "null_characters_not_allowed": gettext_lazy(
                "The message contains characters that are not text. Type it again."
            )
        },
    )

    @classmethod
    def of_session(cls, session: ChatSession) -> SystemPromptForm:
        prompt = session.settings.get("system_prompt", "")
        return cls(initial={"system_prompt": prompt}, auto_id="chat_%s")
