"""Characters that act instead of being read, shown as a mark in their place.

One character stands for one character, whatever stands beside it: places in a streamed text count stored characters,
and a text may be cut anywhere.
"""

from __future__ import annotations

REPLACEMENT = "\ufffd"
# A picture of each control: what a terminal would obey is read as "␛[31m" here.
_CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n\r"}
_DELETE_PICTURE = "\u2421"
# A browser would show these two as nothing, or as a break, depending on where they stand.
_LINE_SEPARATORS = (0x2028, 0x2029)
_ACTING_RANGES = (
    (0x80, 0x9F),  # controls of the second set
    (0x202A, 0x202E),  # embeddings and overrides of the writing direction
    (0x2066, 0x2069),  # isolates of the writing direction
    (0x206A, 0x206F),  # deprecated format characters
    (0xD800, 0xDFFF),  # halves of a pair, which no encoding can write
    (0xFDD0, 0xFDEF),  # no characters
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFF9, 0xFFFB),  # hides an annotation inside a text
    # Letters nobody sees. The flags of three regions are written with them and lose their region.
    (0xE0000, 0xE007F),
    *((plane + 0xFFFE, plane + 0xFFFF) for plane in range(0, 0x110000, 0x10000)),  # no characters
)
_MARKS: dict[int, str] = {
    **_CONTROL_PICTURES,
    0x7F: _DELETE_PICTURE,
    **dict.fromkeys(_LINE_SEPARATORS, "\n"),
    **{code: REPLACEMENT for first, last in _ACTING_RANGES for code in range(first, last + 1)},
}


def harmless_text(text: str) -> str:
    """The text with a visible mark for each control, direction override and invisible letter.

    Joiners, variation selectors and the three direction marks stay: emoji, kanji variants, Persian and Arabic need
    them, and they reorder nothing outside their own word.
    """
    return text.translate(_MARKS)
