"""Characters that would act on a page or in a terminal are seen instead."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.rendering import harmless_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        (
            "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
            "␛]8;;https://evil.example␇link␛]8;;␇",
        ),
        ("a\x00b", "a␀b"),
        ("back\x08space\x7f", "back␈space␡"),
        ("\x9b31m", "\ufffd31m"),
        ("abc\u202egpj.exe", "abc\ufffdgpj.exe"),
        ("\u2066a\u2069", "\ufffda\ufffd"),
        ("\ufeffa", "\ufffda"),
        ("\ud83d", "\ufffd"),
        ("a\u2028b\u2029c", "a\nb\nc"),
        ("\U000e0041\U000e0042", "\ufffd\ufffd"),
        ("tab\tline\nline\r\n", "tab\tline\nline\r\n"),
        ("全角　空白、👩‍👩‍👧‍👦 🇯🇵 ❤️ 葛\U000e0100城", "全角　空白、👩‍👩‍👧‍👦 🇯🇵 ❤️ 葛\U000e0100城"),
        ("می‌خواهم \u200fعربي", "می‌خواهم \u200fعربي"),
    ],
)
def test_what_acts_is_seen_and_what_is_read_stays(text: str, expected: str) -> None:
    assert harmless_text(text) == expected


@given(ANY_TEXT, ANY_TEXT)
def test_each_character_stands_for_one_wherever_a_text_is_cut(first: str, second: str) -> None:
    whole = harmless_text(first + second)
    assert whole == harmless_text(first) + harmless_text(second)
    assert len(whole) == len(first) + len(second)


@given(ANY_TEXT)
def test_no_control_override_or_half_pair_is_left(text: str) -> None:
    shown = harmless_text(text)
    shown.encode()
    assert harmless_text(shown) == shown
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cs") or character in "\t\n\r"
        assert unicodedata.bidirectional(character) not in {
            *("LRE", "RLE", "LRO", "RLO", "PDF"),
            *("LRI", "RLI", "FSI", "PDI"),
        }
