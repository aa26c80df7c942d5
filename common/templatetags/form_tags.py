"""What the field component needs to know of a form field."""

from __future__ import annotations

from django import forms, template
from django.forms.boundfield import BoundField

register = template.Library()


@register.filter
def is_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.filter
def is_text(field: BoundField) -> bool:
    """Something to type: the only kind of field that can be left empty without a choice that says so."""
    return isinstance(field.field.widget, forms.TextInput | forms.Textarea)
