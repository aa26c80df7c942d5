"""The chat pages: what each shows to its owner, to a stranger and to somebody signed out, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat.fragments import suggestions
from chat.models import Answerer, ChatSession, Message, Reply
from chat.tests.factories import (
    make_answer,
    make_base_session,
    make_message,
    make_tuned_session,
    reply_of,
    start_reply,
    write_pieces,
)
from training.tests.factories import make_base_model, make_completed_job, make_training_job

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
SAMPLING = {"temperature": "0.2", "top_p": "0.9", "max_tokens": "64", "seed": "7"}


def _page(client: Client, name: str, session: ChatSession) -> str:
    response = client.get(reverse(f"chat:{name}", args=[session.pk]))
    assert response.status_code == 200
    return response.content.decode()


def _send(client: Client, session: ChatSession, text: str, *, htmx: bool = True, **changes: str):
    data = {"text": text, **SAMPLING, **changes}
    return client.post(
        reverse("chat:message_send", args=[session.pk]), data, headers=HTMX if htmx else {}
    )


# --- who may see what --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["session_list", "session_new"])
def test_somebody_signed_out_is_sent_to_sign_in(client: Client, db: None, name: str) -> None:
    response = client.get(reverse(f"chat:{name}"))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("name", ["session_detail", "session_live", "session_delete"])
def test_a_chat_page_is_for_its_owner(
    student: User, other_student: User, client_of: SignIn, client: Client, name: str
) -> None:
    session = make_base_session(student)
    address = reverse(f"chat:{name}", args=[session.pk])
    assert client_of(student).get(address).status_code == 200
    assert client_of(other_student).get(address).status_code == 404
    assert client.get(address).status_code == 302


@pytest.mark.parametrize(
    "name", ["message_send", "session_cancel", "session_rename", "session_delete"]
)
def test_a_stranger_changes_nothing(
    student: User, other_student: User, client_of: SignIn, name: str
) -> None:
    session = make_base_session(student)
    address = reverse(f"chat:{name}", args=[session.pk])
    assert (
        client_of(other_student).post(address, {"text": "Hello", "name": "Mine"}).status_code == 404
    )
    session.refresh_from_db()
    assert not session.messages.exists()
    assert session.name != "Mine"


@pytest.mark.parametrize("name", ["session_detail", "message_send", "session_live"])
def test_an_unknown_chat_is_not_found(student: User, client_of: SignIn, name: str) -> None:
    client = client_of(student)
    address = reverse(f"chat:{name}", args=[uuid4()])
    response = (
        client.post(address, {"text": "Hello"}) if name == "message_send" else client.get(address)
    )
    assert response.status_code == 404


# --- the list and a new chat ---------------------------------------------------------------------------


def test_the_list_shows_own_chats_only(
    student: User, other_student: User, client_of: SignIn
) -> None:
    make_base_session(student, name="Mine")
    make_base_session(other_student, name="Theirs")
    page = client_of(student).get(reverse("chat:session_list")).content.decode()
    assert "Mine" in page
    assert "Theirs" not in page


def test_the_list_costs_the_same_for_many_chats(
    student: User, client_of: SignIn, django_assert_max_num_queries
) -> None:
    job = make_completed_job(student)
    for number in range(15):
        make_tuned_session(student, job=job, name=f"Chat {number}")
    client = client_of(student)
    with django_assert_max_num_queries(7):
        client.get(reverse("chat:session_list"))


def test_an_empty_list_says_how_to_begin(student: User, client_of: SignIn) -> None:
    assert "No chats yet" in client_of(student).get(reverse("chat:session_list")).content.decode()


def test_one_click_opens_a_chat_with_the_newest_tuned_model_beside_its_base(
    student: User, client_of: SignIn
) -> None:
    job = make_completed_job(student)
    client = client_of(student)
    page = client.get(reverse("chat:session_new")).content.decode()
    assert f'value="job-{job.pk}" data-kind="tuned" checked' in page
    response = client.post(
        reverse("chat:session_new"), {"model": f"job-{job.pk}", "is_compared": "on"}
    )
    session = ChatSession.objects.get()
    assert response["Location"] == reverse("chat:session_detail", args=[session.pk])
    assert session.main.job == job
    assert session.is_compared


def test_the_job_of_the_address_is_chosen(student: User, client_of: SignIn) -> None:
    wanted = make_completed_job(student, name="Wanted")
    make_completed_job(student, name="Newer")
    page = (
        client_of(student)
        .get(reverse("chat:session_new"), {"job": str(wanted.pk)})
        .content.decode()
    )
    assert f'value="job-{wanted.pk}" data-kind="tuned" checked' in page


def test_the_base_model_of_the_address_is_chosen_before_a_tuned_one(
    student: User, client_of: SignIn
) -> None:
    make_completed_job(student)
    address = f"{reverse('chat:session_new')}?model={make_base_model().name}"
    form = client_of(student).get(address).context["form"]
    assert form["model"].value() == make_base_model().name


@pytest.mark.parametrize(
    "job", ["nonsense", "00000000-0000-0000-0000-000000000000", "\x00", "' OR 1=1"]
)
def test_a_wrong_job_in_the_address_is_passed_over(
    student: User, client_of: SignIn, job: str
) -> None:
    assert client_of(student).get(reverse("chat:session_new"), {"job": job}).status_code == 200


def test_a_base_model_is_talked_to_alone(student: User, client_of: SignIn) -> None:
    model = make_base_model()
    client_of(student).post(reverse("chat:session_new"), {"model": model.name, "is_compared": "on"})
    session = ChatSession.objects.get()
    assert session.main.base_model == model
    assert not session.is_compared


def test_a_system_prompt_is_kept(student: User, client_of: SignIn) -> None:
    model = make_base_model()
    client_of(student).post(
        reverse("chat:session_new"), {"model": model.name, "system_prompt": "Be brief."}
    )
    assert ChatSession.objects.get().settings == {"system_prompt": "Be brief."}


def test_nobody_talks_to_the_model_of_a_stranger_or_of_an_unfinished_job(
    student: User, other_student: User, client_of: SignIn
) -> None:
    for job in (make_completed_job(other_student), make_training_job(student)):
        response = client_of(student).post(reverse("chat:session_new"), {"model": f"job-{job.pk}"})
        assert response.status_code == 422
    assert not ChatSession.objects.exists()


@pytest.mark.parametrize("model", ["", "no-such-model", "job-nonsense", "nonsense"])
def test_a_wrong_model_is_refused_with_a_sentence(
    student: User, client_of: SignIn, model: str
) -> None:
    make_base_model()
    response = client_of(student).post(reverse("chat:session_new"), {"model": model})
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()


# --- the conversation ------------------------------------------------------------------------------------


def test_the_conversation_stands_whole_after_a_reload(student: User, client_of: SignIn) -> None:
    session = make_tuned_session(student)
    message = make_message(session, "Who waters bed 3?")
    make_answer(message, "Class **3B**.", target=Answerer.Kind.TUNED)
    lease = start_reply(reply_of(message))
    write_pieces(lease, ["  I do\n", "not know"])
    page = _page(client_of(student), "session_detail", session)
    assert "Who waters bed 3?" in page
    assert "Class <strong>3B</strong>." in page
    assert f'id="reply-{lease.reply_id}-text">  I do\nnot know</div>' in page
    assert "12 tokens" in page
    assert "17.3 tokens/s" in page
    assert 'aria-busy="true"' in page


def test_a_streaming_reply_shows_its_text_as_text(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    lease = start_reply(reply_of(make_message(session)))
    write_pieces(lease, ["<img src=x onerror=alert(1)>"])
    page = _page(client_of(student), "session_detail", session)
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_a_failed_reply_says_why_in_place_of_an_answer(student: User, client_of: SignIn) -> None:
    from chat import lifecycle

    session = make_base_session(student)
    lifecycle.fail(start_reply(reply_of(make_message(session))), "prompt_too_long")
    assert "longer than the model can read" in _page(client_of(student), "session_detail", session)


def test_an_empty_chat_offers_the_first_questions_of_its_dataset(
    student: User, client_of: SignIn
) -> None:
    session = make_tuned_session(student)
    assert suggestions(session) == [f"Who waters bed {number}?" for number in range(1, 5)]
    page = _page(client_of(student), "session_detail", session)
    assert 'name="suggestion" value="Who waters bed 1?"' in page


def test_a_chat_with_a_base_model_has_no_suggestions(student: User) -> None:
    assert suggestions(make_base_session(student)) == []


def test_the_fragment_for_polling_equals_the_page(student: User, client_of: SignIn) -> None:
    session = make_tuned_session(student)
    make_message(session, "Still there?")
    fragment = _page(client_of(student), "session_live", session)
    assert "<html" not in fragment
    assert "Still there?" in fragment
    assert "Answering…" in fragment


# --- sending -----------------------------------------------------------------------------------------------


def test_a_message_is_sent_and_its_turn_comes_back(student: User, client_of: SignIn) -> None:
    session = make_tuned_session(student)
    advanced = {"top_k": "４０", "repetition_penalty": "1.1", "stop": "END\r\n\r\n終わり"}
    response = _send(client_of(student), session, "Hello <b>", **advanced)
    message = Message.objects.get()
    assert response.status_code == 200
    assert response["HX-Trigger"] == "chat:sent"
    assert response["HX-Reswap"] == "none"
    html = response.content.decode()
    assert 'hx-swap-oob="beforeend"' in html
    assert f'id="turn-{message.pk}"' in html
    assert "Hello &lt;b&gt;" in html
    assert message.replies.count() == 2
    assert reply_of(message).sampling == {
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 64,
        "seed": 7,
        "top_k": 40,
        "repetition_penalty": 1.1,
        "stop": ["END", "終わり"],
        "logprobs": 0,
    }


def test_without_javascript_the_page_is_loaded_again(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    response = _send(client_of(student), session, "Hello", htmx=False)
    assert response["Location"] == reverse("chat:session_detail", args=[session.pk])


def test_a_suggestion_is_sent_as_if_it_had_been_typed(student: User, client_of: SignIn) -> None:
    session = make_tuned_session(student)
    _send(client_of(student), session, "", suggestion="Who waters bed 1?")
    assert Message.objects.get().text == "Who waters bed 1?"


def test_settings_of_the_last_message_are_offered_again(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    make_message(session, "Hello", temperature=0.2, max_tokens=33)
    page = _page(client_of(student), "session_detail", session)
    assert 'name="max_tokens" value="33"' in page
    assert 'name="temperature" value="0.2"' in page


BAD_TEXTS = {
    "empty": "",
    "blank": "  \n ",
    "a megabyte": "a" * 1_000_000,
    "a control character": "bell \x07",
    "escape sequences": "\x1b[31mred",
    "NUL": "a\x00b",
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
@pytest.mark.parametrize("htmx", [True, False])
def test_bad_text_is_refused_with_a_sentence(
    student: User, client_of: SignIn, text: str, htmx: bool
) -> None:
    session = make_base_session(student)
    response = _send(client_of(student), session, text, htmx=htmx)
    html = response.content.decode()
    assert response.status_code == 422
    assert 'class="field__error"' in html
    assert ("<html" in html) is not htmx
    assert not Message.objects.exists()


def test_half_a_character_is_sent_as_the_sign_for_it(student: User, client_of: SignIn) -> None:
    """A form can not carry a lone surrogate: the browser and Django both write U+FFFD in its place."""
    session = make_base_session(student)
    response = client_of(student).post(
        reverse("chat:message_send", args=[session.pk]),
        b"text=a%ED%A0%80b",
        content_type="application/x-www-form-urlencoded",
        headers=HTMX,
    )
    assert response.status_code == 200
    assert "\ud800" not in Message.objects.get().text


def test_a_refused_message_keeps_its_text(student: User, client_of: SignIn) -> None:
    html = _send(
        client_of(student), make_base_session(student), "keep me", temperature="9"
    ).content.decode()
    assert "keep me</textarea>" in html
    assert "Enter a value from 0 to 2." in html


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "nan"),
        ("temperature", "-1"),
        ("top_p", "0"),
        ("max_tokens", "1.5"),
        ("seed", "x"),
        ("max_tokens", "1e9"),
        ("temperature", "inf"),
        ("repetition_penalty", "-Infinity"),
        ("repetition_penalty", "9" * 400),
        ("top_k", "1001"),
        ("stop", "1\n2\n3\n4\n5"),
        ("stop", "x" * 65),
        ("stop", "a\x00b"),
    ],
)
def test_settings_out_of_range_are_refused(
    student: User, client_of: SignIn, name: str, value: str
) -> None:
    response = _send(client_of(student), make_base_session(student), "Hello", **{name: value})
    assert response.status_code == 422
    assert f'id="composer_{name}_error"' in response.content.decode()
    assert not Message.objects.exists()


def test_a_second_message_waits_for_the_answer_to_the_first(
    student: User, client_of: SignIn
) -> None:
    session = make_base_session(student)
    make_message(session)
    response = _send(client_of(student), session, "And now?")
    assert response.status_code == 422
    assert "still answering" in response.content.decode()
    assert Message.objects.count() == 1


def test_what_a_window_claims_to_have_seen_must_be_a_message(
    student: User, client_of: SignIn
) -> None:
    session = make_base_session(student)
    make_answer(make_message(session), "Class 3B.")
    client = client_of(student)
    for after, sentence in (("x", "Load the page again"), (str(uuid4()), "another window")):
        response = _send(client, session, "And now?", after=after)
        assert response.status_code == 422
        assert sentence in response.content.decode()
    assert Message.objects.count() == 1


# --- the other buttons ---------------------------------------------------------------------------------------


def test_stop_ends_a_waiting_reply_at_once(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    reply = reply_of(make_message(session))
    address = reverse("chat:session_cancel", args=[session.pk])
    assert client_of(student).post(address, headers=HTMX).status_code == 204
    reply.refresh_from_db()
    assert reply.status == Reply.Status.CANCELLED
    assert client_of(student).post(address).status_code == 302


def test_a_chat_is_renamed(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    client_of(student).post(
        reverse("chat:session_rename", args=[session.pk]), {"name": "  Garden \x00\n talk "}
    )
    session.refresh_from_db()
    assert session.name != "  Garden"
    client_of(student).post(
        reverse("chat:session_rename", args=[session.pk]), {"name": "Garden talk"}
    )
    session.refresh_from_db()
    assert session.name == "Garden talk"


@pytest.mark.parametrize("name", ["", "   ", "x" * 121])
def test_a_chat_keeps_its_name_when_the_new_one_is_none(
    student: User, client_of: SignIn, name: str
) -> None:
    session = make_base_session(student, name="Kept")
    response = client_of(student).post(
        reverse("chat:session_rename", args=[session.pk]), {"name": name}, follow=True
    )
    session.refresh_from_db()
    assert session.name == "Kept"
    assert "alert--danger" in response.content.decode()


def test_a_chat_is_deleted_after_a_question(student: User, client_of: SignIn) -> None:
    session = make_tuned_session(student)
    address = reverse("chat:session_delete", args=[session.pk])
    client = client_of(student)
    client.get(address)
    assert ChatSession.objects.filter(pk=session.pk).exists()
    assert client.post(address)["Location"] == reverse("chat:session_list")
    assert not ChatSession.objects.filter(pk=session.pk).exists()


@pytest.mark.parametrize("name", ["message_send", "session_cancel", "session_rename"])
def test_what_changes_something_is_never_a_get(student: User, client_of: SignIn, name: str) -> None:
    session = make_base_session(student)
    assert client_of(student).get(reverse(f"chat:{name}", args=[session.pk])).status_code == 405


def test_a_conversation_costs_the_same_for_many_turns(
    student: User, client_of: SignIn, django_assert_max_num_queries
) -> None:
    session = make_tuned_session(student)
    for number in range(6):
        message = make_message(session, f"Question {number}")
        for target in Answerer.Kind.values:
            make_answer(message, "Answer", target=target)
    client = client_of(student)
    with django_assert_max_num_queries(14):
        client.get(reverse("chat:session_detail", args=[session.pk]))
