"""TeX as MathML, from an allow-list of elements and attributes.

The converter writes links, styles and colours of the author's choice, runs macros, and prints commands that it does not
know. So its tree is copied piece by piece into markup of our own, macros are refused before it sees them, and what it
did not understand is no formula at all.
"""

from __future__ import annotations

import html
import re
from xml.etree.ElementTree import Element

from django.utils.html import escape
from latex2mathml.converter import convert_to_element

MAX_TEX_CHARACTERS = 1_500
MAX_TEX_NESTING = 12
MAX_TREE_DEPTH = 60
"""Browsers lay out a tree by recursion."""

ELEMENTS = frozenset(
    {
        "math",
        "mrow",
        "mi",
        "mn",
        "mo",
        "mtext",
        "mspace",
        "mfrac",
        "msqrt",
        "mroot",
        "mstyle",
        "mpadded",
        "menclose",
    }
    | {"msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd"}
)
_BOOLEAN = re.compile(r"true|false")
# Small enough that nothing is drawn over other text.
_LENGTH = re.compile(r"-?[0-2]?(\.\d{1,3})?em|0(px)?")
_ATTRIBUTES: dict[str, re.Pattern[str]] = {
    "accent": _BOOLEAN,
    "displaystyle": _BOOLEAN,
    "fence": _BOOLEAN,
    "largeop": _BOOLEAN,
    "movablelimits": _BOOLEAN,
    "separator": _BOOLEAN,
    "stretchy": _BOOLEAN,
    "form": re.compile(r"prefix|infix|postfix"),
    "linethickness": re.compile(r"0(px)?"),
    "lspace": _LENGTH,
    "mathvariant": re.compile(r"normal"),
    "maxsize": _LENGTH,
    "minsize": _LENGTH,
    "notation": re.compile(r"(box|updiagonalstrike|downdiagonalstrike|horizontalstrike|\s)+"),
    "rspace": _LENGTH,
    "scriptlevel": re.compile(r"[0-2]"),
    "width": _LENGTH,
}
# Browsers dropped the attribute; a class says the same.
CELL_CLASSES = {"left": "math__left", "right": "math__right"}
ATTRIBUTES: dict[str, set[str]] = {
    **{element: set(_ATTRIBUTES) for element in ELEMENTS},
    "math": {"alttext", "display"},
}

# Macros multiply, and one command repeats its argument; links, files, styles and unseen text have no place here.
_REFUSED = re.compile(
    r"\\(def|edef|gdef|xdef|let|newcommand|renewcommand|providecommand|newenvironment|DeclareMathOperator|csname"
    r"|sideset|href|url|input|include|includegraphics|write|openin|openout|read|catcode|class|style|cssId|data"
    r"|unicode|raise|lower|move(?:left|right)|rule|skew|(?:math)?[clr]lap)(?![A-Za-z])"
)
_NESTING = re.compile(r"\\[{}]|[{}]|\\(?:left|right|begin|end)(?![A-Za-z])")
_DEEPER = ("{", r"\left", r"\begin")
# Environments that the converter knows by another name; numbers of equations refer to nothing in a chat.
_ENVIRONMENTS = {
    "aligned": "split",
    "align": "align*",
    "gathered": "matrix",
    "gather": "matrix",
    "gather*": "matrix",
}
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(aligned|align|gathered|gather\*?)\}")
# More room below a row, which the converter would print.
_ROW_ROOM = re.compile(r"(\\\\)\s*\[-?[\d.]+\s*[a-z]{2}\]")
_WITHOUT_EFFECT = re.compile(
    r"\\(?:begin|end)\{(?:equation|displaymath|math)\*?\}|\\label\{[^{}]*\}|\\(?:notag|nonumber)(?![A-Za-z])"
)
_ARGUMENT = re.compile(r"\\arg(?![A-Za-z])")


class _NotShownError(Exception):
    """The tree holds something that is not on the list."""


def tex_to_mathml(tex: str, *, is_display: bool) -> str | None:
    """Markup of the formula, or None where it is too long, too deep, broken or asks for what is refused."""
    if not tex or len(tex) > MAX_TEX_CHARACTERS or _REFUSED.search(tex) or not _is_shallow(tex):
        return None
    display = "block" if is_display else "inline"
    try:
        tree = convert_to_element(_known_environments(tex), display=display)
        rows = "".join(_copy(child, depth=1) for child in tree)
    except Exception:  # noqa: BLE001 - the converter raises whatever its input leads it to
        return None
    return f'<math display="{display}" alttext="{escape(tex)}">{rows}</math>'


def _is_shallow(tex: str) -> bool:
    depth = 0
    for mark in _NESTING.findall(tex):
        if mark in (r"\{", r"\}"):
            continue
        depth += 1 if mark in _DEEPER else -1
        if not 0 <= depth <= MAX_TEX_NESTING:
            return False
    return depth == 0


def _known_environments(tex: str) -> str:
    tex = _ROW_ROOM.sub(r"\1", _WITHOUT_EFFECT.sub("", tex))
    tex = _ARGUMENT.sub(r"\\operatorname{arg}", tex)
    return _ENVIRONMENT.sub(lambda found: f"\\{found[1]}{{{_ENVIRONMENTS[found[2]]}}}", tex)


def _copy(element: Element, *, depth: int) -> str:
    text = html.unescape(element.text or "")
    if element.tag not in ELEMENTS or depth > MAX_TREE_DEPTH or _is_not_understood(element, text):
        raise _NotShownError
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _ATTRIBUTES[name].fullmatch(value)
    )
    if place := CELL_CLASSES.get(element.get("columnalign", "")):
        attributes += f' class="{place}"'
    children = "".join(_copy(child, depth=depth + 1) for child in element)
    return f"<{element.tag}{attributes}>{escape(text)}{children}</{element.tag}>"


def _is_not_understood(element: Element, text: str) -> bool:
    """A command that the converter did not know stands in its tree by name, a lost column mark by itself."""
    return element.tag == "mi" and (text.startswith("\\") or element.text == "&")
