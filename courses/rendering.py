"""A step's text as HTML: Markdown, drawings and interactive pictures, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from chat.rendering import render_markdown
from courses.catalogue.directives import DIRECTIVE, FIGURES

_HEADING = re.compile(r"(</?h)([3-6])\b")
_SLOT = re.compile(r"\{\{ ([a-z0-9_]+) \}\}")

Kind = Literal["text", "figure", "widget", "action"]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of Markdown as HTML, a drawing as SVG, the name of a widget, or where the button stands."""

    kind: Kind
    html: SafeString = SafeString()
    name: str = ""


def parts_of(body: str, language: str) -> list[Part]:
    """The text of a step; the button comes last where the text gives it no place."""
    parts: list[Part] = []
    position = 0
    for found in DIRECTIVE.finditer(body):
        _add_text(parts, body[position : found.start()])
        position = found.end()
        kind, name = found[1], found[2] or ""
        if kind == "figure":
            parts.append(Part("figure", figure(name, language), name))
        elif kind == "widget":
            parts.append(Part("widget", name=name))
        else:
            parts.append(Part("action"))
    _add_text(parts, body[position:])
    if all(part.kind != "action" for part in parts):
        parts.append(Part("action"))
    return parts


@cache
def figure(name: str, language: str) -> SafeString:
    """A drawing with its texts in a language; its own title says what it shows.

    Raises:
        FileNotFoundError: there is no such drawing.
    """
    drawing = (FIGURES / f"{name}.svg").read_text(encoding="utf-8")
    texts = _texts(FIGURES / f"{name}.yml")
    code = "ja" if language.partition("-")[0] == "ja" else "en"
    filled = _SLOT.sub(lambda slot: escape(texts[slot[1]][code]), drawing)
    return mark_safe(filled)  # noqa: S308 - the drawings are ours, their texts escaped


def _texts(path: Path) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return texts


def _add_text(parts: list[Part], text: str) -> None:
    if text.strip():
        html = _HEADING.sub(_raised, render_markdown(text.strip()))
        parts.append(Part("text", mark_safe(html)))  # noqa: S308 - what was safe, with other levels of headings


def _raised(heading: re.Match[str]) -> str:
    """A reply's headings begin two levels lower, below those of a conversation."""
    return f"{heading[1]}{int(heading[2]) - 2}"
