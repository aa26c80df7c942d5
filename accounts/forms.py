"""What a person may set for themselves."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.forms import LoginForm
from django import forms
from django.conf import settings
from django.utils.functional import lazy
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.joining.codes import LONGEST_INPUT
from accounts.models import ApiToken, User

TOKEN_DAYS = [days for days in (1, 7, 30, 90) if days <= settings.API_TOKEN_MAX_DAYS]
DEFAULT_TOKEN_DAYS = min(30, settings.API_TOKEN_MAX_DAYS)


def _days(count: int) -> str:
    return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}


_days_lazy = lazy(_days, str)


class SignInForm(LoginForm):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        # allauth's label, "Login", names the act and not what to enter; in Japanese it equals the button.
        self.fields["login"].label = _("User name or email")


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ["display_name", "language", "theme", "mails_job_end"]
        help_texts = {"display_name": _("What others see instead of your user name.")}
        widgets = {"theme": forms.RadioSelect}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["display_name"].widget.attrs["autocomplete"] = "nickname"
        languages = cast("forms.ChoiceField", self.fields["language"])
        languages.choices = [("", _("As the browser asks")), *settings.LANGUAGES]
        self._prepare_mails()

    def _prepare_mails(self) -> None:
        """A switch that can do nothing is not shown, and keeps what was chosen."""
        if not settings.MAIL_ENABLED:
            del self.fields["mails_job_end"]
        elif self.instance.email:
            sentence = _("To %(address)s, unless you have seen it here before.")
            self.fields["mails_job_end"].help_text = sentence % {
                "address": escape(self.instance.email)
            }
        else:
            self.fields["mails_job_end"].help_text = _(
                "You have no email address here yet. Add one first."
            )


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=ApiToken._meta.get_field("name").max_length,
        help_text=_("Where you will use it, so that you know later which one to revoke."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        choices=[(days, _days_lazy(days)) for days in TOKEN_DAYS],
        initial=DEFAULT_TOKEN_DAYS,
    )


class JoinForm(forms.Form):
    code = forms.CharField(
        label=_("Join code"),
        max_length=LONGEST_INPUT,
        help_text=_(
            "Eight letters and digits, from whoever leads the class. Case, spaces and hyphens do not matter."
        ),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )


class ErasureForm(forms.Form):
    """That the person at the keyboard is who the account belongs to, and means it."""

    def __init__(self, person: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person
        if person.has_usable_password():
            self.fields["password"] = forms.CharField(
                label=_("Your password"),
                strip=False,
                widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
            )
        else:
            self.fields["user_name"] = forms.CharField(
                label=_("Your user name"),
                help_text=_("Type it, so that nothing is erased by mistake."),
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        if not self.person.check_password(password):
            raise forms.ValidationError(
                _("This is not your password, so nothing was asked for. Type it again.")
            )
        return password

    def clean_user_name(self) -> str:
        name = self.cleaned_data["user_name"].strip()
        if name != self.person.username:
            raise forms.ValidationError(
                _("This is not your user name, so nothing was asked for. It is “%(name)s”."),
                params={"name": self.person.username},
            )
        return name
