from __future__ import annotations

import pytest

from engine.inference.stop_texts import StopTexts


def told_of(text: str, stops: list[str], size: int) -> tuple[str, bool]:
    """What is told of a text that comes in pieces of `size` characters, and whether a stop text came."""
    found = StopTexts(stops)
    pieces = [found.push(text[start : start + size]) for start in range(0, len(text), size)]
    return "".join([*pieces, found.rest()]), found.is_met


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize(
    ("text", "stops", "told"),
    [
        ("one END two", ["END"], "one "),
        ("aaab", ["aab"], "a"),
        ("xEN", ["END"], "xEN"),
        ("a\n\nb", ["\n\n", "b"], "a"),
        ("こんにちは。さようなら", ["。さよ"], "こんにちは"),
        ("plain", [], "plain"),
    ],
)
def test_stop_texts_are_found_across_pieces(
    text: str, stops: list[str], told: str, size: int
) -> None:
    assert told_of(text, stops, size) == (told, told != text)


def test_what_may_become_a_stop_text_is_held_back_and_nothing_more() -> None:
    found = StopTexts(["END"])
    assert found.push("the E") == "the "
    assert found.push("N") == ""
    assert found.push("x") == "ENx"
