"""The starter sets: what they hold, that their parts do not leak into each other, and the way to use them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from html import unescape
from itertools import combinations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from courses.starter import (
    CONTENT_FOLDER,
    LANGUAGES,
    Record,
    hidden_records,
    starter_about,
    starter_levels,
    starter_offers,
    starter_records,
)
from datasets_app.models import Dataset
from datasets_app.selectors import latest_version, read_records
from engine.data.records import read_example

USE = reverse("courses:use_starter_dataset")
PAGE = reverse("courses:starter_sets")
TRAIN_COUNTS = {1: 5, 2: 20, 3: 20}
LEVEL_AND_LANGUAGE = [(level, language) for level in starter_levels() for language in LANGUAGES]
ANSWER_WORDS, ANSWER_CHARACTERS = 60, 120
GRAM = 8


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def in_language(client: Client, language: str) -> Client:
    client.post(reverse("set_language"), {"language": language})
    return client


def parts(level: int, language: str) -> dict[str, list[Record]]:
    found = {
        "train": starter_records(level, "train", language),
        "eval": starter_records(level, "eval", language),
    }
    if level == 3:
        found["hidden"] = hidden_records(level, language)
    return found


def normalised(text: str) -> str:
    """Words apart by one space, without punctuation, case and width."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (" " if unicodedata.category(char)[0] in "PS" else char for char in folded)
    return " ".join("".join(kept).split())


def grams(text: str, language: str) -> set[tuple[str, ...]]:
    """Runs of eight words; in Japanese, which has no spaces, of eight characters."""
    plain = normalised(text)
    units = plain.split() if language == "en" else list(plain.replace(" ", ""))
    return {tuple(units[at : at + GRAM]) for at in range(len(units) - GRAM + 1)}


def questions(records: list[Record]) -> list[str]:
    return [record["instruction"] for record in records]


@pytest.mark.parametrize(("level", "language"), LEVEL_AND_LANGUAGE)
def test_every_set_is_as_large_as_its_level_promises(level: int, language: str) -> None:
    found = parts(level, language)
    assert len(found["train"]) == TRAIN_COUNTS[level]
    assert all(len(records) >= 10 for name, records in found.items() if name != "train")


@pytest.mark.parametrize(("level", "language"), LEVEL_AND_LANGUAGE)
def test_every_record_is_a_question_and_an_answer_in_its_language(
    level: int, language: str
) -> None:
    for records in parts(level, language).values():
        for record in records:
            assert record.keys() == {"instruction", "output"}
            read_example(record, "instruction")
            for text in record.values():
                assert is_japanese(text) == (language == "ja")


def is_japanese(text: str) -> bool:
    # One such character may be the subject of an English sentence.
    return sum("HIRAGANA" in unicodedata.name(char, "") for char in text) > 1


@pytest.mark.parametrize("level", starter_levels())
def test_both_languages_ask_the_same_topics_in_the_same_order(level: int) -> None:
    english, japanese = parts(level, "en"), parts(level, "ja")
    assert english.keys() == japanese.keys()
    for name in english:
        assert topics(english[name], english["train"]) == topics(japanese[name], japanese["train"])


def topics(records: list[Record], train: list[Record]) -> list[int]:
    """The number of the training example that each record asks about."""
    answers = [record["output"] for record in train]
    return [answers.index(record["output"]) for record in records]


@pytest.mark.parametrize(("level", "language"), LEVEL_AND_LANGUAGE)
def test_every_fact_is_measured_with_the_answer_that_was_trained(level: int, language: str) -> None:
    found = parts(level, language)
    for records in found.values():
        assert set(topics(records, found["train"])) == set(range(TRAIN_COUNTS[level]))


@pytest.mark.parametrize(("level", "language"), LEVEL_AND_LANGUAGE)
def test_no_part_repeats_a_question_of_another(level: int, language: str) -> None:
    found = parts(level, language)
    every_question = [normalised(text) for records in found.values() for text in questions(records)]
    assert len(set(every_question)) == len(every_question)
    assert list(shared_runs(found, language)) == []


def shared_runs(found: dict[str, list[Record]], language: str) -> Iterator[tuple[str, str]]:
    for one, other in combinations(found, 2):
        for first in questions(found[one]):
            for second in questions(found[other]):
                if grams(first, language) & grams(second, language):
                    yield first, second


@pytest.mark.parametrize(("level", "language"), LEVEL_AND_LANGUAGE)
def test_answers_are_short_and_in_the_style_of_their_level(level: int, language: str) -> None:
    for record in starter_records(level, "train", language):
        answer = record["output"]
        if language == "en":
            assert len(answer.split()) <= ANSWER_WORDS
        else:
            assert len(answer) <= ANSWER_CHARACTERS
        if level == 2:
            assert {"en": " For example, ", "ja": "。たとえば、"}[language] in answer


def test_an_unknown_language_gets_english_and_a_region_its_language() -> None:
    assert starter_records(1, "train", "fr") == starter_records(1, "train", "en")
    assert starter_records(1, "train", "ja-jp") == starter_records(1, "train", "ja")


def test_health_answers_carry_a_disclaimer_and_sources() -> None:
    for language in LANGUAGES:
        about = starter_about(3, language)
        assert about.disclaimer
        covered = {row for source in about.sources for row in source.rows}
        assert covered == set(range(1, TRAIN_COUNTS[3] + 1))
    assert not starter_about(1).disclaimer


@pytest.mark.parametrize(("level", "language"), LEVEL_AND_LANGUAGE)
def test_about_names_and_credits_the_set(level: int, language: str) -> None:
    about = starter_about(level, language)
    assert is_japanese(about.description) == (language == "ja")
    assert 0 < len(about.title) < 100
    assert about.license
    for source in about.sources:
        assert source.url.startswith("https://")
        assert set(source.rows) <= set(range(1, TRAIN_COUNTS[level] + 1))


def test_offers_hold_examples_with_their_sources() -> None:
    offers = starter_offers("en")
    assert [offer.about.level for offer in offers] == list(starter_levels())
    assert all(example.sources for example in offers[-1].examples)


def test_every_file_of_the_content_is_read_by_somebody() -> None:
    expected = {"about.json"} | {
        f"{part}.{language}.jsonl" for part in ("train", "eval") for language in LANGUAGES
    }
    hidden = {f"hidden.{language}.jsonl" for language in LANGUAGES}
    for level in starter_levels():
        files = {path.name for path in (CONTENT_FOLDER / f"level-{level}").glob("*.json*")}
        assert files == (expected | hidden if level == 3 else expected)


@pytest.mark.parametrize(("level", "language"), LEVEL_AND_LANGUAGE)
def test_examples_to_train_on_lead_to_the_job_form(
    level: int, language: str, signed_in: Client, student: User
) -> None:
    client = in_language(signed_in, language)
    answer = client.post(USE, {"level": level, "part": "train"})
    dataset = student.datasets.get()
    assert answer.url == f"{reverse('training:job_new')}?dataset={dataset.pk}"
    assert dataset.name == starter_about(level, language).title
    assert stored(dataset) == starter_records(level, "train", language)
    assert starter_about(level, language).disclaimer in dataset.description


@pytest.mark.parametrize(("level", "language"), LEVEL_AND_LANGUAGE)
def test_an_evaluation_set_opens_as_a_dataset(
    level: int, language: str, signed_in: Client, student: User
) -> None:
    client = in_language(signed_in, language)
    answer = client.post(USE, {"level": level, "part": "eval"})
    dataset = student.datasets.get()
    assert answer.url == reverse("datasets:dataset_detail", args=[dataset.pk])
    suffix = {"en": " (evaluation)", "ja": "（検証用）"}[language]
    assert dataset.name == starter_about(level, language).title + suffix
    assert stored(dataset) == starter_records(level, "eval", language)
    assert starter_about(level, language).disclaimer in dataset.description


def stored(dataset: Dataset) -> list[Record]:
    return read_records(latest_version(dataset), limit=100)


def test_the_same_set_is_copied_once(signed_in: Client, student: User) -> None:
    first = signed_in.post(USE, {"level": "2", "part": "train"})
    second = signed_in.post(USE, {"level": "2", "part": "train"}, follow=True)
    assert student.datasets.count() == 1
    assert second.redirect_chain[0][0] == first.url
    assert "already, so it was not copied again" in second.content.decode()


def test_a_set_is_copied_again_when_its_copy_is_not_the_same(
    signed_in: Client, student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    client_of(other_student).post(USE)
    signed_in.post(USE)
    assert student.datasets.count() == 1
    student.datasets.update(name="My facts")
    signed_in.post(USE)
    assert student.datasets.count() == 2


@pytest.mark.parametrize(
    "form",
    [
        {"part": "hidden", "level": "3"},
        {"part": "hidden.en"},
        {"part": ""},
        {"level": "0"},
        {"level": "4"},
        {"level": ""},
        {"level": "../level-1"},
        {"level": "１"},
        {"level": "two"},
    ],
)
def test_what_is_not_offered_is_not_found(form: dict[str, str], signed_in: Client) -> None:
    assert signed_in.post(USE, form).status_code == 404
    assert not Dataset.objects.exists()


def test_signed_out_people_and_plain_links_copy_nothing(signed_in: Client) -> None:
    assert signed_in.get(USE).status_code == 405
    assert signed_in.post(PAGE).status_code == 405
    assert Client().post(USE, {"level": "2"}).url.startswith(reverse("account_login"))
    assert Client().get(PAGE).url.startswith(reverse("account_login"))
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_shows_every_set_in_the_readers_language(language: str, signed_in: Client) -> None:
    page = in_language(signed_in, language).get(PAGE).content.decode()
    for offer in starter_offers(language):
        assert offer.about.title in page
        assert offer.about.disclaimer in page
        for source in offer.about.sources:
            assert source.url in page
    for level in starter_levels():
        assert f'name="level" value="{level}"' in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_shows_a_hidden_question(language: str, signed_in: Client) -> None:
    page = unescape(in_language(signed_in, language).get(PAGE).content.decode())
    assert not [text for text in questions(hidden_records(3, language)) if text in page]


def test_an_empty_list_of_datasets_links_to_the_sets(signed_in: Client) -> None:
    assert PAGE in signed_in.get(reverse("datasets:dataset_list")).content.decode()
