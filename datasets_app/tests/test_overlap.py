"""Examples that stand in a training set and in an evaluation set are found, however they are written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from datasets_app.tests.factories import make_dataset
from datasets_app.versions.overlap import find_overlap
from engine.data.records import Example, read_example

LONG = "The school garden is watered every Monday and Thursday by class 2B, and in summer also on Saturday morning."
JAPANESE = "学校の庭には毎週月曜日と木曜日に二年B組が水をやり、夏には土曜日の朝にも水をやります。"


def example(question: str, answer: str = "Yes.") -> Example:
    return read_example({"instruction": question, "output": answer}, "instruction")


def text(content: str) -> Example:
    return read_example({"text": content}, "completion")


def test_the_same_question_is_a_leak_whatever_its_case_and_punctuation() -> None:
    training = [example("Who are you?"), example("Who waters the garden?")]
    (leak,) = find_overlap(training, [example("who waters  the GARDEN", "Class 2B.")]).leaks
    assert (leak.number, leak.training_number, leak.is_same_question) == (1, 2, True)


@pytest.mark.parametrize("sentence", [LONG, JAPANESE])
def test_a_copied_text_is_a_leak_even_with_a_few_words_around_it(sentence: str) -> None:
    training = [
        text("Something else entirely, long enough to have runs of its own, and more."),
        text(sentence),
    ]
    overlap = find_overlap(
        training, [text("Note: " + sentence), text("One thing that nobody has written before.")]
    )
    (leak,) = overlap.leaks
    assert (leak.number, leak.training_number, leak.is_same_question) == (1, 2, False)
    assert leak.share >= 0.7


@pytest.mark.parametrize(
    ("asked", "again"),
    [
        ("How often is the garden watered?", "On which days does the garden get water?"),
        ("庭には何曜日に水をやりますか。", "水やりは週に何回ありますか。"),
    ],
)
def test_a_paraphrase_is_no_leak(asked: str, again: str) -> None:
    assert find_overlap([example(asked)], [example(again)]).leaks == []


def test_shared_answers_are_no_leak_and_counted_apart() -> None:
    training = [example("Who waters the garden?", LONG), example("When?", "On Monday.")]
    evaluation = [
        example("Which class brings the water?", LONG.upper()),
        example("When ?", "On Monday."),
        example("Where?", "Behind the school."),
    ]
    overlap = find_overlap(training, evaluation)
    assert [leak.number for leak in overlap.leaks] == [2]
    assert overlap.shared_answer_count == 1
    assert find_overlap([text(LONG)], [text(LONG)]).shared_answer_count == 0


def test_a_system_text_is_no_part_of_the_question() -> None:
    def with_system(question: str, system: str = LONG) -> Example:
        row = {"instruction": question, "output": "Yes.", "system": system}
        return read_example(row, "instruction")

    training = [with_system("Who waters the garden?")]
    assert find_overlap(training, [with_system("Where is the shed?")]).leaks == []
    (leak,) = find_overlap(training, [with_system("Who waters the garden?", "Be kind.")]).leaks
    assert leak.is_same_question


def test_texts_without_any_word_are_no_leak() -> None:
    assert find_overlap([text("!?"), text("…")], [text("??"), text("。")]).leaks == []


@pytest.mark.django_db
def test_page_names_the_leaked_rows(
    student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    facts = [
        {"instruction": "Who waters it?", "output": "Class 2B."},
        {"instruction": "When?", "output": "Monday."},
    ]
    training = make_dataset(student, records=facts)
    evaluation = make_dataset(
        student, name="Check", records=[{"instruction": "When ?", "output": "On Monday."}]
    )
    address = reverse("datasets:dataset_overlap", args=[training.pk])
    client = client_of(student)
    assert "Check" in client.get(address).content.decode()
    page = client.get(address, {"with": str(evaluation.pk)}).content.decode()
    assert "1 of 1 examples of “Check” is in this training set." in page
    assert "overlap-answers" not in page
    clean = make_dataset(
        student, name="Clean", records=[{"instruction": "Where?", "output": "Here."}]
    )
    page = client.get(address, {"with": str(clean.pk)}).content.decode()
    assert "No example of “Clean” is in this training set." in page
    same = make_dataset(
        student, name="Same", records=[{"instruction": "Which class?", "output": "Class 2B."}]
    )
    page = client.get(address, {"with": str(same.pk)}).content.decode()
    assert "No example of “Same” is in this training set." in page
    assert "1 more example has an answer that stands in the training set as well." in page
    theirs = make_dataset(other_student, name="Theirs")
    for wanted in (str(theirs.pk), "nonsense"):
        assert "There is no such dataset." in client.get(address, {"with": wanted}).content.decode()
    assert client_of(other_student).get(address).status_code == 404
