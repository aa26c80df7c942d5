"""Which language a text is in, as far as its script tells."""

from __future__ import annotations

import re

_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff\uff66-\uff9f]")),
    ("ko", re.compile("[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
)
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_SAMPLE_CHARACTERS = 400
_WIDE_SHARE = 0.1
"""Japanese with many English terms is Japanese; English that quotes a Japanese word is English."""


def language_of(text: str) -> str:
    """An ISO 639-1 code by script: latin letters are `latin`, and no letters at all are an empty string."""
    sample = text[:_SAMPLE_CHARACTERS]
    if sample.isascii():
        return "latin" if _LATIN.search(sample) else ""
    latin = len(_LATIN.findall(sample))
    for name, pattern in _SCRIPTS:
        count = len(pattern.findall(sample))
        if count and count >= _WIDE_SHARE * (count + latin):
            return name
    return "latin" if latin else ""
