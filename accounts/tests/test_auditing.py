"""The log of acts: every kind has its sentence, and a sentence names nobody who is not to be named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.auditing import note_act
from accounts.auditing_wording import SENTENCES, real_names, sentence_of
from accounts.models import AuditEvent, User
from accounts.tests.classes import make_class

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "accounts",
    "chat",
    "common",
    "courses",
    "datasets_app",
    "llmlora_site",
    "modelhub",
    "training",
)
KIND_ARGUMENT = 1


def noted_kinds() -> Iterator[tuple[str, Path]]:
    """Every text that a call of note_act in the product gives as the kind."""
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if "tests" in path.parts or "note_act(" not in text:
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "note_act":
                    yield from ((kind, path) for kind in kinds_of(node))


def kinds_of(call: ast.Call) -> Iterator[str]:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "kind"]
    for argument in given or call.args[KIND_ARGUMENT : KIND_ARGUMENT + 1]:
        for node in ast.walk(argument):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_kind_that_is_noted_has_a_sentence() -> None:
    found = list(noted_kinds())
    assert {"join_code_made", "member_left", "roster_claimed"} <= {kind for kind, _path in found}
    unknown = [(kind, path.name) for kind, path in found if kind not in SENTENCES]
    assert unknown == []


@pytest.mark.parametrize("kind", sorted(SENTENCES))
def test_a_sentence_is_whole_even_where_details_are_missing(kind: str) -> None:
    sentence = sentence_of(AuditEvent(kind=kind), {})
    assert sentence.endswith(".")
    assert "%" not in sentence


@pytest.mark.django_db
def test_a_sentence_speaks_of_the_people_by_the_names_that_it_is_given(
    student: User, instructor: User
) -> None:
    cohort = make_class(instructor)
    event = note_act(instructor, "role_changed", cohort=cohort, person=student, role="assistant")
    names = {instructor.pk: "Blue Fox", student.pk: "Red Owl"}
    assert sentence_of(event, names) == (
        "Blue Fox changed the role of Red Owl to: Teaching assistant."
    )
    hidden = sentence_of(event, {instructor.pk: "Blue Fox"})
    assert "aiko" not in hidden
    assert "Somebody who is not in the class any more" in hidden
    assert real_names([event]) == {instructor.pk: "chiyo", student.pk: "aiko"}


@pytest.mark.django_db
def test_who_was_erased_is_not_named(student: User, instructor: User) -> None:
    event = note_act(student, "member_left", cohort=make_class(instructor), person=student)
    student.delete()
    event.refresh_from_db()
    assert sentence_of(event, {}) == "Somebody who was erased left the class."


def test_a_kind_of_a_newer_version_is_told_by_its_name() -> None:
    assert "moon_landed" in sentence_of(AuditEvent(kind="moon_landed"), {})


def test_a_detail_is_shown_as_it_is() -> None:
    event = AuditEvent(kind="score_set", details={"step": "100% %(actor)s", "points": 2.5})
    assert "“100% %(actor)s” to 2.5." in sentence_of(event, {})
