"""The name on a certificate, and the reason for revoking one."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from common.errors import InvalidInputError
from courses.services.certifying import LONGEST_REASON, plain_name, plain_reason


class CertificateForm(forms.Form):
    name = forms.CharField(
        label=_("Name on the certificate"),
        error_messages={"required": _("Enter the name that is to stand on the certificate.")},
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    def clean_name(self) -> str:
        try:
            return plain_name(self.cleaned_data["name"])
        except InvalidInputError as error:
            raise forms.ValidationError(str(error.message)) from error


class RevokeForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        error_messages={"required": _("Say why the certificate does not hold.")},
        help_text=_("Everybody who looks the certificate up reads it."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "maxlength": LONGEST_REASON}),
    )

    def clean_reason(self) -> str:
        try:
            return plain_reason(self.cleaned_data["reason"])
        except InvalidInputError as error:
            raise forms.ValidationError(str(error.message)) from error
