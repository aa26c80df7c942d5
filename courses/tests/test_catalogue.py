"""Courses as files: what is read, and what is refused with file and line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from courses.catalogue.reading import ContentError, read_course
from courses.models import Course, CourseVersion
from courses.selectors.content import content_of, newest_version
from courses.services.publishing import publish_courses
from courses.tests.writing import ABOUT, HELLO, QUIZ, write_course, write_texts, write_yaml


def faults_of(folder: Path) -> list[tuple[str, int, str]]:
    with pytest.raises(ContentError) as caught:
        read_course(folder)
    return [(fault.path.name, fault.line, fault.message) for fault in caught.value.faults]


def changed(step: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return copy.deepcopy(step) | fields


def test_a_course_is_read_whole(tmp_path: Path) -> None:
    content = read_course(write_course(tmp_path / "sample"))
    assert [step.key for step in content.steps] == ["hello", "quiz"]
    hello, quiz = content.steps
    assert hello.text("en").title == "The step hello"
    assert hello.text("ja-jp").title == "ステップhello"
    assert hello.text("fr").body == "Some text.\n"
    assert not hello.text("ja").is_outdated
    assert quiz.questions[0].is_right(["a"])
    assert not quiz.questions[0].is_right(["a", "b"])
    assert quiz.checks[0].wanted.right == 1  # type: ignore[attr-defined]


def test_a_translation_of_an_older_text_is_marked(tmp_path: Path) -> None:
    folder = write_course(tmp_path / "sample")
    path = folder / "steps" / "hello.en.md"
    path.write_text(path.read_text() + "\nOne sentence more.\n")
    assert read_course(folder).steps[0].text("ja").is_outdated


def test_an_unknown_predicate_is_refused_with_file_and_line(tmp_path: Path) -> None:
    folder = write_course(tmp_path / "sample")
    path = folder / "steps" / "hello.yml"
    path.write_text(
        "kind: read\nminutes: 2\nchecks:\n- key: opened\n  is: os.system\n", encoding="utf-8"
    )
    ((name, line, message),) = faults_of(folder)
    assert (name, line) == ("hello.yml", 5)
    assert "there is no predicate os.system" in message


def test_a_level_without_hidden_questions_measures_on_none(tmp_path: Path) -> None:
    checks = [{"key": "gain", "is": "hidden.gain", "with": {"min_nats": 0.1}}]
    steps = {"hello": changed(HELLO, checks=[*HELLO["checks"], *checks])}
    ((name, line, message),) = faults_of(write_course(tmp_path / "second", {"level": 2}, steps))
    text = (tmp_path / "second" / "steps" / "hello.yml").read_text().splitlines()
    assert name == "hello.yml"
    assert "hidden.gain" in text[line - 1]
    assert "level 2 keeps none" in message
    read_course(write_course(tmp_path / "third", {"level": 3}, steps))


@pytest.mark.parametrize(
    ("step", "part"),
    [
        (changed(HELLO, kind="watch_tv"), "kind"),
        (changed(HELLO, minutes=0), "minutes"),
        (changed(HELLO, colour="red"), "colour"),
        (changed(HELLO, checks=[]), "checks"),
        (changed(HELLO, checks=[HELLO["checks"][0], HELLO["checks"][0]]), "twice"),
        (
            changed(HELLO, checks=[{"key": "a", "is": "read.opened", "needs": ["b"]}]),
            "a needs b",
        ),
        (
            changed(HELLO, checks=[{"key": "a", "is": "job.loss_dropped", "with": {"ratio": 2}}]),
            "ratio",
        ),
        (
            changed(
                HELLO,
                checks=[
                    {
                        "key": "a",
                        "is": "job.completed",
                        "with": {"settings": {"lora_config.rank": 8}},
                    }
                ],
            ),
            "there is no setting lora_config.rank",
        ),
        (changed(QUIZ, questions=[]), "a quiz, and only a quiz"),
        (changed(HELLO, kind="reflect"), "a reflect step"),
        (
            changed(HELLO, action={"to": "https://example.org", "label": {"en": "x", "ja": "x"}}),
            "to",
        ),
    ],
)
def test_a_faulty_step_is_refused(tmp_path: Path, step: dict[str, Any], part: str) -> None:
    faults = faults_of(write_course(tmp_path / "sample", steps={"hello": step}))
    assert any(part in message for _name, _line, message in faults)
    assert {name for name, _line, _message in faults} == {"hello.yml"}


def test_missing_and_strange_files_are_all_told(tmp_path: Path) -> None:
    folder = write_course(tmp_path / "sample")
    (folder / "steps" / "hello.ja.md").unlink()
    (folder / "steps" / "quiz.en.md").write_text("No title.\n")
    (folder / "steps" / "old.yml").write_text("kind: read\n")
    names = {name for name, _line, _message in faults_of(folder)}
    assert names == {"hello.ja.md", "quiz.en.md", "old.yml"}


@pytest.mark.parametrize(
    ("text", "line"),
    [("slug: a\nslug: b\n", 2), ("slug: [a\n", 2), ("slug: a\ntitle: &x [*x]\n", 2)],
    ids=["the same name twice", "an open bracket", "a loop"],
)
def test_broken_yaml_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    folder = write_course(tmp_path / "sample")
    (folder / "course.yml").write_text(text)
    assert {found for name, found, _message in faults_of(folder)} >= {line}


def test_a_course_opens_no_step_after_a_later_one(tmp_path: Path) -> None:
    steps = {"hello": changed(HELLO, unlock={"after": ["quiz"]}), "quiz": QUIZ}
    ((_name, _line, message),) = faults_of(write_course(tmp_path / "sample", steps=steps))
    assert "hello opens after quiz" in message


@pytest.mark.django_db
def test_a_changed_text_becomes_a_new_version_and_the_old_one_stays(tmp_path: Path) -> None:
    folder = write_course(tmp_path / "sample")
    (first,) = publish_courses(tmp_path)
    assert publish_courses(tmp_path) == []
    write_texts(folder, "hello", "# Another title\n\nText.\n")
    (second,) = publish_courses(tmp_path)
    assert (first.number, second.number) == (1, 2)
    assert content_of(first.pk).steps[0].text("en").title == "The step hello"
    assert content_of(second.pk).steps[0].text("en").title == "Another title"
    assert newest_version(Course.objects.get()).pk == second.pk


@pytest.mark.django_db
def test_a_faulty_course_publishes_nothing_at_all(tmp_path: Path) -> None:
    write_course(tmp_path / "a-sample")
    write_yaml(write_course(tmp_path / "b-sample") / "course.yml", ABOUT | {"level": 0})
    with pytest.raises(ContentError):
        publish_courses(tmp_path)
    assert not CourseVersion.objects.exists()


@pytest.mark.django_db
def test_a_course_without_a_folder_is_offered_no_more(tmp_path: Path) -> None:
    write_course(tmp_path / "one" / "sample")
    publish_courses(tmp_path / "one")
    publish_courses(tmp_path / "two")
    assert not Course.objects.get().is_offered
