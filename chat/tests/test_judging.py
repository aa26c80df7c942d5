"""Ratings, better answers, and the datasets that learn them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat.models import ChatSession, Reply
from chat.services.collecting import add_to_dataset, begin_dataset
from chat.services.judging import correct, rate
from chat.tests.factories import make_answer, make_base_session, make_message, reply_of
from common.errors import ConflictError, InvalidInputError, NotFoundError
from datasets_app.models import Dataset
from datasets_app.selectors import latest_version, read_records
from datasets_app.services.creating import create_dataset

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
ROWS = {
    "instruction": {"instruction": "a?", "output": "b"},
    "chat": {
        "messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]
    },
    "completion": {"text": "Once upon a time."},
}


def _dataset(owner: User, kind: str) -> Dataset:
    return create_dataset(owner, name=f"My {kind}", records=[ROWS[kind]])


@pytest.fixture
def session(student: User) -> ChatSession:
    return make_base_session(student, settings={"system_prompt": "Be brief."})


@pytest.fixture
def reply(session: ChatSession) -> Reply:
    make_answer(make_message(session, "Who waters bed 3?"), "Nobody.")
    return make_answer(make_message(session, "And bed 4?"), "I do not know.")


def test_a_thumb_is_given_turned_and_taken_back(
    student: User, client_of: SignIn, reply: Reply
) -> None:
    client = client_of(student)
    address = reverse("chat:reply_rate", args=[reply.pk])
    for given, stored in (("1", 1), ("-1", -1), ("0", None)):
        html = client.post(address, {"rating": given}, headers=HTMX).content.decode()
        reply.refresh_from_db()
        assert reply.rating == stored
        assert html.count('aria-pressed="true"') == (stored is not None)


@pytest.mark.parametrize("rating", ["5", "", "x"])
def test_a_rating_that_is_none_is_refused(
    student: User, client_of: SignIn, reply: Reply, rating: str
) -> None:
    response = client_of(student).post(
        reverse("chat:reply_rate", args=[reply.pk]), {"rating": rating}, headers=HTMX
    )
    assert response.status_code == 422
    reply.refresh_from_db()
    assert reply.rating is None


def test_what_is_still_written_can_not_be_judged(session: ChatSession) -> None:
    reply = reply_of(make_message(session))
    for judge in (lambda: rate(reply, 1), lambda: correct(reply, "better")):
        with pytest.raises(ConflictError, match="still answering"):
            judge()


def test_a_better_answer_is_kept_and_taken_back(reply: Reply) -> None:
    correct(reply, " Class 4A.\r\n")
    reply.refresh_from_db()
    assert reply.corrected_text == "Class 4A."
    correct(reply, reply.text)
    reply.refresh_from_db()
    assert reply.corrected_text == ""


@pytest.mark.parametrize("text", ["bell \x07", "x" * 16_001, "\ud800"])
def test_a_better_answer_must_be_text(reply: Reply, text: str) -> None:
    with pytest.raises(InvalidInputError):
        correct(reply, text)


def test_questions_with_answers_get_one_more_in_a_new_version(student: User, reply: Reply) -> None:
    dataset = _dataset(student, "instruction")
    correct(reply, "Class 4A.")
    version = add_to_dataset(student, reply, dataset.pk)
    assert version.number == 2
    assert read_records(version, limit=9) == [
        ROWS["instruction"],
        {"instruction": "And bed 4?", "output": "Class 4A."},
    ]


def test_a_conversation_goes_along_but_what_the_model_said_before_is_not_learned(
    student: User, reply: Reply
) -> None:
    dataset = _dataset(student, "chat")
    correct(reply, "Class 4A.")
    version = add_to_dataset(student, reply, dataset.pk)
    assert read_records(version, limit=9)[1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who waters bed 3?"},
        {"role": "assistant", "content": "Nobody.", "weight": 0},
        {"role": "user", "content": "And bed 4?"},
        {"role": "assistant", "content": "Class 4A."},
    ]


def test_a_dataset_that_is_not_mine_or_holds_plain_text_is_refused(
    student: User, other_student: User, reply: Reply
) -> None:
    theirs = _dataset(other_student, "instruction")
    plain = _dataset(student, "completion")
    correct(reply, "Class 4A.")
    with pytest.raises(NotFoundError):
        add_to_dataset(student, reply, theirs.pk)
    with pytest.raises(InvalidInputError, match="plain text"):
        add_to_dataset(student, reply, plain.pk)
    with pytest.raises(InvalidInputError):
        begin_dataset(student, reply, name="New", dataset_type="completion")
    assert {latest_version(dataset).number for dataset in (theirs, plain)} == {1}


def test_the_page_adds_to_a_dataset_and_tells_the_version(
    student: User, client_of: SignIn, reply: Reply
) -> None:
    dataset = _dataset(student, "instruction")
    page = client_of(student).post(
        reverse("chat:reply_correct", args=[reply.pk]),
        {"corrected_text": "Class 4A.", "dataset": str(dataset.pk), "new_type": "instruction"},
        follow=True,
    )
    html = page.content.decode()
    assert "The answer was added to “My instruction”, version 2." in html
    assert "What it should have answered" in html


def test_the_page_begins_a_dataset(student: User, client_of: SignIn, reply: Reply) -> None:
    client_of(student).post(
        reverse("chat:reply_correct", args=[reply.pk]),
        {"corrected_text": "4A.", "dataset": "new", "new_name": "<b>", "new_type": "chat"},
    )
    dataset = Dataset.objects.get()
    assert (dataset.name, dataset.type, dataset.owner) == ("<b>", "chat", student)


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "nonsense"},
        {"dataset": "new", "new_name": " "},
        {"dataset": "new", "new_name": "x", "new_type": "completion"},
        {"corrected_text": "a\x00b"},
    ],
)
def test_the_page_refuses_what_can_not_be_saved(
    student: User, client_of: SignIn, reply: Reply, changes: dict[str, str]
) -> None:
    data = {"corrected_text": "Class 4A.", "dataset": "", "new_type": "instruction"} | changes
    response = client_of(student).post(reverse("chat:reply_correct", args=[reply.pk]), data)
    assert response.status_code == 422
    assert (
        'class="errorlist"' in response.content.decode()
        or "field__error" in response.content.decode()
    )
    assert not Dataset.objects.exists()


def test_a_dataset_of_somebody_else_is_not_offered(
    student: User, other_student: User, client_of: SignIn, reply: Reply
) -> None:
    theirs = _dataset(other_student, "instruction")
    page = client_of(student).get(reverse("chat:reply_correct", args=[reply.pk])).content.decode()
    assert str(theirs.pk) not in page
