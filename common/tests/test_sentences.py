from __future__ import annotations

import pytest
from django.utils import translation

from common.sentences import joined


@pytest.mark.parametrize(
    ("language", "expected"), [("en", "One. Two."), ("en-gb", "One. Two."), ("ja", "One.Two.")]
)
def test_sentences_stand_as_their_language_writes_them(language: str, expected: str) -> None:
    with translation.override(language):
        assert joined(["One.", "", "Two."]) == expected
