"""What differs between two answers: nothing is lost, nothing invented, and it never takes long."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.differences import MAX_TOKENS, Piece, common, difference, tokens

WORDS = st.lists(st.sampled_from(["bed", "3", "is", "水", "や", "り", ".", " ", "\n"]), max_size=40)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXTS = st.one_of(st.text(max_size=120), WORDS.map("".join))


def _text(pieces: list[Piece], *kinds: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind in kinds)


@PATIENT
@given(TEXTS)
def test_tokens_are_the_whole_text(text: str) -> None:
    assert "".join(tokens(text)) == text


@PATIENT
@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_from_the_pieces(measure: str, text: str) -> None:
    found = difference(measure, text)
    assert _text(found.pieces, "same", "added") == text
    assert _text(found.pieces, "same", "removed") == measure
    assert 0 <= found.shared <= 1
    assert found.is_same == (measure == text)


@PATIENT
@given(TEXTS, TEXTS)
def test_what_is_common_stands_in_both_in_the_same_order(measure: str, text: str) -> None:
    before, after = tokens(measure), tokens(text)
    pairs = common(before, after)
    assert all(before[left] == after[right] for left, right in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in zip(pairs, pairs[1:], strict=False))
    assert len(pairs) == _longest_by_table(before, after)


def _longest_by_table(before: list[str], after: list[str]) -> int:
    row = [0] * (len(after) + 1)
    for left in before:
        last = row
        row = [0]
        for index, right in enumerate(after):
            row.append(last[index] + 1 if left == right else max(row[index], last[index + 1]))
    return row[-1]


def test_words_are_marked_whole_and_japanese_by_the_character() -> None:
    assert difference("Class 3B waters it.", "Class 4A waters it today.").pieces == [
        Piece("same", "Class "),
        Piece("removed", "3B"),
        Piece("added", "4A"),
        Piece("same", " waters it"),
        Piece("added", " today"),
        Piece("same", "."),
    ]
    assert difference("水やりは3年B組です。", "水やりは4年B組です。").pieces == [
        Piece("same", "水やりは"),
        Piece("removed", "3"),
        Piece("added", "4"),
        Piece("same", "年B組です。"),
    ]


def test_a_chance_word_between_long_changes_is_no_agreement() -> None:
    found = difference("one two three bed four five six", "a b c bed d e f")
    assert [piece.kind for piece in found.pieces] == ["removed", "added"]
    kept = difference("one bed two", "a bed b")
    assert [piece.text for piece in kept.pieces if piece.kind == "same"] == [" bed "]


def test_answers_without_anything_in_common_are_called_so() -> None:
    assert difference("The cat sat on the mat.", "花壇は三年生が世話をしています。").is_unlike
    assert not difference("same", "same").is_unlike


@pytest.mark.parametrize(
    ("measure", "text"),
    [
        ("bed three " * 4_000, "bed four " * 4_000),
        ("あいう" * 4_000, "あうい" * 4_000),
        (" ".join(map(str, range(4_000))), " ".join(map(str, range(9_000, 5_000, -1)))),
        ("a" * 16_000, "b" * 16_000),
        ("! ? " * 4_000, "? ! " * 4_000),
    ],
)
def test_the_longest_answers_are_compared_as_far_as_the_limit(measure: str, text: str) -> None:
    found = difference(measure, text)
    assert found.is_cut == (max(len(tokens(measure)), len(tokens(text))) > MAX_TOKENS)
    assert _text(found.pieces, "same", "added") == text
