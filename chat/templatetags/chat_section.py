"""The pages that belong to chat, for the row of links above each of them."""

from __future__ import annotations

from dataclasses import dataclass

from django import template
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User

register = template.Library()


@dataclass(frozen=True, slots=True)
class SectionPage:
    key: str
    label: str
    address: str


@register.simple_tag
def section_pages(user: User) -> list[SectionPage]:
    """Those that the person may open; the arena is for people in a class."""
    pages = [
        SectionPage("chats", _("Chats"), reverse("chat:session_list")),
        SectionPage("prompt_sets", _("Prompt sets"), reverse("chat:prompt_set_list")),
    ]
    if user.memberships.exists():
        pages.append(SectionPage("arena", _("Arena"), reverse("chat:arena")))
    return pages
