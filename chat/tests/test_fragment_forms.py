"""What a socket brings is rendered without a request, so its forms have no token of their own."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from chat import fragments

TEMPLATES = settings.BASE_DIR / "templates"
_FORM = re.compile(r"<form\b.*?</form>", re.DOTALL)


def test_every_form_that_a_socket_brings_is_sent_by_htmx() -> None:
    """Which adds the token of the page."""
    names = set(re.findall(r'"(chat/\w+\.html)"', Path(fragments.__file__).read_text("utf-8")))
    assert "chat/live_conversation.html" in names
    forms = [(name, form) for name in sorted(_with_included(names)) for form in _forms(name)]
    assert len(forms) > 5
    assert [name for name, form in forms if 'method="post"' in form and "hx-post" not in form] == []


def _with_included(names: set[str]) -> set[str]:
    found: set[str] = set()
    while names:
        found |= names
        included = {name for parent in names for name in _included(parent)}
        names = included - found
    return found


def _included(name: str) -> list[str]:
    return re.findall(r'{% include "([^"]+)"', (TEMPLATES / name).read_text("utf-8"))


def _forms(name: str) -> list[str]:
    return _FORM.findall((TEMPLATES / name).read_text("utf-8"))
