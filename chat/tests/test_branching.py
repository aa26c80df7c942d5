"""Branches and takes: what stands in the conversation, what stays beside it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat.conversations import turns_of
from chat.models import Answerer, ChatSession, Message, Reply
from chat.selectors import get_session, messages
from chat.services import branching
from chat.services.branching import choose_take, edit_message, regenerate, show_branch
from chat.services.sending import send_message
from chat.tests.factories import (
    make_answer,
    make_base_session,
    make_message,
    make_tuned_session,
    reply_of,
)
from common.errors import ConflictError, InvalidInputError

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def _answered(session: ChatSession, text: str, answer: str = "Class 3B.", **sampling: Any) -> Reply:
    return make_answer(make_message(session, text, **sampling), answer)


def _in_view(user: User, session: ChatSession) -> list[tuple[str, str]]:
    rows = messages(get_session(user, session.pk))
    return [(row.text, reply.text) for row in rows for reply in row.replies.all()]


def _stop_all(session: ChatSession) -> None:
    Reply.objects.filter(message__session=session, status=Reply.Status.PENDING).update(
        status=Reply.Status.CANCELLED
    )


# --- branches ----------------------------------------------------------------------------------------


def test_an_edited_message_begins_a_branch_and_the_old_one_stays(student: User) -> None:
    session = make_base_session(student)
    first = _answered(session, "Who waters bed 3?").message
    second = _answered(session, "And bed 4?", "Class 4A.").message
    edited = edit_message(second, text="And bed 5?")
    assert (edited.parent_id, edited.session_id) == (first.pk, session.pk)
    make_answer(edited, "Class 5A.")
    assert _in_view(student, session) == [
        ("Who waters bed 3?", "Class 3B."),
        ("And bed 5?", "Class 5A."),
    ]
    show_branch(second)
    assert _in_view(student, session)[-1] == ("And bed 4?", "Class 4A.")


def test_a_branch_comes_into_view_with_what_was_written_behind_it_at_latest(student: User) -> None:
    session = make_base_session(student)
    first = _answered(session, "one").message
    _answered(session, "two")
    other = edit_message(first, text="uno")
    make_answer(other, "si")
    assert [text for text, _reply in _in_view(student, session)] == ["uno"]
    show_branch(first)
    assert [text for text, _reply in _in_view(student, session)] == ["one", "two"]


def test_each_message_tells_its_place_among_its_branches(student: User) -> None:
    session = make_base_session(student)
    first = _answered(session, "one").message
    for text in ("uno", "eins"):
        make_answer(edit_message(first, text=text), "yes")
    turn = turns_of(session, messages(get_session(student, session.pk)), {})[0]
    assert (turn.branches.number, turn.branches.total) == (3, 3)
    assert turn.branches.next_id is None
    assert Message.objects.get(pk=turn.branches.previous_id).text == "uno"


@pytest.mark.parametrize("text", ["", "bell \x07", "x" * 1_000_000, "\ud800"])
def test_a_bad_edit_changes_nothing(student: User, text: str) -> None:
    session = make_base_session(student)
    message = _answered(session, "one").message
    with pytest.raises(InvalidInputError):
        edit_message(message, text=text)
    assert _in_view(student, session) == [("one", "Class 3B.")]


def test_nothing_is_branched_while_something_is_answered(student: User) -> None:
    session = make_base_session(student)
    reply = _answered(session, "one")
    make_message(session, "two")
    for change in (
        lambda: edit_message(reply.message, text="uno"),
        lambda: show_branch(reply.message),
        lambda: regenerate(reply),
        lambda: choose_take(reply),
    ):
        with pytest.raises(ConflictError, match="still answering"):
            change()


def test_a_message_goes_behind_what_its_window_shows_or_nowhere(student: User) -> None:
    session = make_base_session(student)
    seen = _answered(session, "one").message
    _answered(session, "two, in another window")
    with pytest.raises(ConflictError, match="another window"):
        send_message(session, text="three", after=seen.pk)
    assert Message.objects.count() == 2


# --- takes -------------------------------------------------------------------------------------------


def test_a_reply_drawn_again_stands_in_the_place_of_the_first_with_another_seed(
    student: User,
) -> None:
    session = make_base_session(student)
    first = _answered(session, "one", seed=7, temperature=0.5)
    second = regenerate(first)
    first.refresh_from_db()
    assert (first.take, first.is_chosen) == (1, False)
    assert (second.take, second.is_chosen, second.status) == (2, True, Reply.Status.PENDING)
    assert second.sampling["seed"] != 7
    assert second.sampling["temperature"] == 0.5
    _stop_all(session)
    choose_take(first)
    assert _in_view(student, session) == [("one", "Class 3B.")]


def test_a_seed_that_is_given_is_kept_and_so_is_one_that_changes_nothing(student: User) -> None:
    session = make_base_session(student)
    reply = _answered(session, "one", seed=7)
    assert regenerate(reply, sampling={"seed": 11}).sampling["seed"] == 11
    _stop_all(session)
    assert regenerate(reply, sampling={"temperature": 0}).sampling["seed"] == 7


def test_one_of_two_models_answers_again_alone(student: User) -> None:
    session = make_tuned_session(student)
    message = make_message(session)
    for target in Answerer.Kind.values:
        make_answer(message, f"from {target}", target=target)
    regenerate(reply_of(message, Answerer.Kind.TUNED))
    assert [(reply.target, reply.take) for reply in message.replies.order_by("created_at")] == [
        ("tuned", 1),
        ("base", 1),
        ("tuned", 2),
    ]


def test_the_number_of_takes_has_an_end(student: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branching, "MAX_TAKES", 2)
    session = make_base_session(student)
    reply = _answered(session, "one")
    regenerate(reply)
    _stop_all(session)
    with pytest.raises(ConflictError, match="2 takes"):
        regenerate(reply)


def test_a_model_whose_job_is_deleted_answers_no_more(student: User) -> None:
    session = make_tuned_session(student, is_compared=False)
    reply = make_answer(make_message(session), "once", target=Answerer.Kind.TUNED)
    session.main.job.delete()
    session = get_session(student, session.pk)
    reply.refresh_from_db()
    reply.message.session = session
    for change in (
        lambda: regenerate(reply),
        lambda: edit_message(reply.message, text="uno"),
        lambda: send_message(session, text="two"),
    ):
        with pytest.raises(ConflictError, match="was deleted"):
            change()


# --- pages -------------------------------------------------------------------------------------------


ACTIONS = {
    "message_edit": {"text": "uno"},
    "branch_show": {},
    "reply_regenerate": {},
    "take_choose": {},
    "reply_rate": {"rating": "1"},
    "reply_correct": {"corrected_text": "better"},
}


def _address(name: str, reply: Reply) -> str:
    wanted = reply.message_id if name in ("message_edit", "branch_show") else reply.pk
    return reverse(f"chat:{name}", args=[wanted])


@pytest.mark.parametrize("name", ACTIONS)
def test_only_the_owner_changes_a_conversation(
    student: User, other_student: User, client: Client, client_of: SignIn, name: str
) -> None:
    reply = _answered(make_base_session(student), "one")
    address = _address(name, reply)
    assert client_of(other_student).post(address, ACTIONS[name]).status_code == 404
    assert client.post(address, ACTIONS[name]).status_code == 302
    assert Message.objects.count() == Reply.objects.count() == 1
    reply.refresh_from_db()
    assert (reply.rating, reply.corrected_text) == (None, "")
    response = client_of(student).post(address, ACTIONS[name])
    assert response.status_code == 302
    assert str(reply.message.session_id) in response["Location"]


@pytest.mark.parametrize("name", ["branch_show", "reply_regenerate", "take_choose", "reply_rate"])
def test_a_change_is_never_a_get(student: User, client_of: SignIn, name: str) -> None:
    reply = _answered(make_base_session(student), "one")
    assert client_of(student).get(_address(name, reply)).status_code == 405


def test_a_new_take_comes_to_its_place_unless_the_page_has_it(
    student: User, client_of: SignIn
) -> None:
    reply = _answered(make_base_session(student), "one")
    response = client_of(student).post(_address("reply_regenerate", reply), headers=HTMX)
    html = response.content.decode()
    new = Reply.objects.get(take=2)
    slot = f"{reply.message_id}-{reply.answerer_id}"
    assert f"hx-swap-oob=\"outerHTML:[data-slot='{slot}']\"" in html
    assert f'data-unless="reply-{new.pk}"' in html
    assert response["HX-Reswap"] == "none"


def test_the_settings_of_the_composer_go_along_but_not_its_seed(
    student: User, client_of: SignIn
) -> None:
    reply = _answered(make_base_session(student), "one", seed=7)
    settings = {"temperature": "1.5", "seed": "7", "max_tokens": "9", "top_p": "1"}
    client_of(student).post(_address("reply_regenerate", reply), settings, headers=HTMX)
    new = Reply.objects.get(take=2)
    assert (new.sampling["temperature"], new.sampling["max_tokens"]) == (1.5, 9)
    assert new.sampling["seed"] != 7


@pytest.mark.parametrize("temperature", ["nan", "9", "x"])
def test_bad_settings_are_told_and_nothing_is_drawn(
    student: User, client_of: SignIn, temperature: str
) -> None:
    reply = _answered(make_base_session(student), "one")
    response = client_of(student).post(
        _address("reply_regenerate", reply), {"temperature": temperature}, headers=HTMX
    )
    assert response.status_code == 422
    assert "settings of the answer" in response["HX-Trigger"]
    assert Reply.objects.count() == 1


def test_a_refused_edit_keeps_what_was_typed(student: User, client_of: SignIn) -> None:
    reply = _answered(make_base_session(student), "one")
    response = client_of(student).post(
        _address("message_edit", reply), {"text": "x" * 16_001}, headers=HTMX
    )
    assert response.status_code == 422
    assert "x" * 16_001 in response.content.decode()
    assert "Shorten it" in response.content.decode()


def test_the_page_counts_takes_and_branches(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    reply = _answered(session, "one")
    regenerate(reply)
    _stop_all(session)
    edit_message(reply.message, text="uno")
    _stop_all(session)
    show_branch(reply.message)
    page = client_of(student).get(reverse("chat:session_detail", args=[session.pk]))
    html = page.content.decode()
    assert 'aria-label="Branches of this message"' in html
    assert 'aria-label="Takes of this reply"' in html
    assert "1 of 2" in html
    assert "2 of 2" in html
