"""Likely personal data in a text: mail and postal addresses, phone numbers, My Numbers. A hint, no proof."""

from __future__ import annotations

import re

_HINT = re.compile(r"[@＠〒]|[0-9０-９][0-9０-９\-ー－‐ ()]{8,}|[都道府県]")
# The name in front of the sign starts at one place only: a search from each of a long word's letters takes minutes.
_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}[@＠][A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
)
_PHONE = re.compile(
    r"(?<![\d-])(?:\+81[- ]?|[0０])\d{1,4}[-－ー‐ ()]{1,2}\d{1,4}[-－ー‐ ()]{1,2}\d{3,4}(?![\d-])"
    r"|(?<![\d-])[0０][5789５７８９][0０]\d{8}(?!\d)"
    r"|(?<![\d-])\+[1-9]\d{0,2}[ -]\(?\d{1,4}\)?(?:[ -]\d{2,4}){2,3}(?![\d-])"
    r"|\(\d{3}\) ?\d{3}-\d{4}(?!\d)"
)
_POSTAL_CODE = re.compile(r"〒\s?[0-9０-９]{3}[-－ー‐]?[0-9０-９]{4}")
_JAPANESE_ADDRESS = re.compile(
    r"(?:東京都|北海道|(?:京都|大阪)府|[一-鿿]{2,3}県)[一-鿿ぁ-んァ-ヶー]{1,8}?[市区町村郡]"
    r"[一-鿿ぁ-んァ-ヶー]{0,12}[\d一二三四五六七八九十]+(?:丁目|番地|番[\d一二三四五六七八九十]|[-－ー‐]\d)"
)
_MY_NUMBER = re.compile(r"(?<![\d-])(?<!\d )(\d{4})[- ]?(\d{4})[- ]?(\d{4})(?![\d-]| \d)")
_LEAST_PHONE_DIGITS = 10
"""Dates are shorter."""


def personal_data_in(text: str) -> tuple[str, str] | None:
    """The first kind of personal data in text and where it stands: mail, phone, address or my_number."""
    if not _HINT.search(text):
        return None
    for kind, pattern in (
        ("mail", _MAIL),
        ("address", _POSTAL_CODE),
        ("address", _JAPANESE_ADDRESS),
    ):
        match = pattern.search(text)
        if match:
            return kind, match[0]
    for match in _MY_NUMBER.finditer(text):
        if is_my_number("".join(match.groups())):
            return "my_number", match[0]
    for match in _PHONE.finditer(text):
        if sum(char.isdigit() for char in match[0]) >= _LEAST_PHONE_DIGITS:
            return "phone", match[0]
    return None


def is_my_number(digits: str) -> bool:
    """Whether twelve digits have the check digit of a Japanese individual number.

    Source: the check digit of the ministerial ordinance on individual numbers: 11 minus the remainder by 11 of the sum
    of P(n) * Q(n) over the eleven digits from the right, Q(n) = n + 1 up to n = 6 and n - 5 beyond; remainders of at
    most 1 give 0.
    """
    values = [int(digit) for digit in digits]
    *body, check = values
    total = sum(
        digit * (n + 1 if n <= 6 else n - 5) for n, digit in enumerate(reversed(body), start=1)
    )
    rest = total % 11
    return check == (0 if rest <= 1 else 11 - rest)
