"""Lines of a step's text that stand for something else: a drawing, an interactive picture, the button."""

from __future__ import annotations

import re

from courses.starter import CONTENT_FOLDER

DIRECTIVE = re.compile(r"^\[\[(figure|widget|action)(?::([a-z0-9-]+))?\]\]$", re.MULTILINE)
WIDGETS = frozenset({"overfit", "rank", "schedule"})
FIGURES = CONTENT_FOLDER / "figures"


def unknown_directives(body: str) -> list[str]:
    """Drawings and widgets that do not exist."""
    return [
        found[0]
        for found in DIRECTIVE.finditer(body)
        if (found[1] == "widget" and found[2] not in WIDGETS)
        or (found[1] == "figure" and not (FIGURES / f"{found[2]}.svg").is_file())
    ]
