"""Join codes: made so that nobody guesses them, read so that nobody fails at typing them."""

from __future__ import annotations

import re
import secrets
import unicodedata

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0, O, 1, I and L, which look alike on a projector."""
LENGTH = 8
LONGEST_INPUT = 40
_NO_PART_OF_A_CODE = re.compile("[^0-9A-Z]")


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def normalised(text: str) -> str:
    """The code that somebody typed, in whatever case and width and with whatever between; empty for none at all."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_INPUT]).upper()
    code = _NO_PART_OF_A_CODE.sub("", plain)
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""


def shown_code(code: str) -> str:
    """In two halves, as it is read out; empty stays empty."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}" if code else ""
