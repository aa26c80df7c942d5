"""Places on a page that layers above fill (common.page_slots)."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.utils.safestring import SafeString, mark_safe

from common.page_slots import Slot, slot_content

register = template.Library()


@register.simple_tag(takes_context=True)
def page_slot(context: Context, name: Slot, subject: Any = None) -> SafeString:
    # Each filler renders a template, which escapes what people wrote.
    return mark_safe(slot_content(name, context["request"], subject))  # noqa: S308
