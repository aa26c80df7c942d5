"""The reference solutions: they fit their courses, and the reference student knows what to do for every check."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.models import User
from courses.catalogue.reading import read_course
from courses.checks.params import PREDICATES
from courses.solving.acts import ACTS
from courses.solving.playing import play_course
from courses.solving.solution import FILE, read_solution
from courses.starter import CONTENT_FOLDER, hidden_records, starter_records
from courses.tests.factories import publish_sample
from datasets_app.versions.overlap import find_overlap
from engine.data.records import Example

COURSES = sorted(path.parent.name for path in CONTENT_FOLDER.glob("*/course.yml"))


def test_the_reference_student_can_do_what_any_course_may_ask() -> None:
    assert set(ACTS) == set(PREDICATES)


@pytest.mark.parametrize("slug", COURSES)
def test_a_solution_trains_in_steps_that_its_course_has(slug: str) -> None:
    solution = read_solution(CONTENT_FOLDER / slug)
    steps = {step.key for step in read_course(CONTENT_FOLDER / slug).steps}
    assert solution.steps.keys() <= steps


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("slug", COURSES)
def test_the_examples_of_a_solution_are_not_among_the_questions(slug: str, language: str) -> None:
    course = read_course(CONTENT_FOLDER / slug)
    examples = read_solution(CONTENT_FOLDER / slug).examples
    own = [Example(prompt=pair.instruction) for pair in getattr(examples, language)]
    kept = starter_records(course.about.level, "eval", language)
    if course.about.level == 3:
        kept = [*kept, *hidden_records(course.about.level, language)]
    asked = [Example(prompt=record["instruction"]) for record in kept]
    assert not find_overlap(iter(own), iter(asked)).leaks


def test_a_setting_that_there_is_not_is_refused_with_the_file(tmp_path: Path) -> None:
    pair = "[{instruction: a, output: b}]"
    text = f"examples: {{en: {pair}, ja: {pair}}}\nsteps: {{train: {{jobs: [{{lora_config.rank: 8}}]}}}}\n"
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"solution\.yml: there are no settings lora_config\.rank"):
        read_solution(tmp_path)


@pytest.mark.django_db
def test_a_course_is_played_again_on_the_same_installation(tmp_path: Path) -> None:
    publish_sample(tmp_path)
    pair = "[{instruction: a, output: b}]"
    text = f"examples: {{en: {pair}, ja: {pair}}}\n"
    (tmp_path / "sample" / FILE).write_text(text, encoding="utf-8")
    for _ in range(2):
        played = play_course("sample", folder=tmp_path, language="en", seed=1, base_model="none")
        assert played.is_complete
    assert User.objects.filter(username__startswith="reference-sample-en-1").count() == 2
