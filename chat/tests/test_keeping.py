"""Find, rename, set up and save chats."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat.models import ChatSession
from chat.searching import search_sessions
from chat.selectors import sessions_visible_to
from chat.services.branching import edit_message, regenerate
from chat.services.judging import correct
from chat.tests.factories import make_answer, make_base_session, make_message, make_tuned_session

SignIn = Callable[[User], Client]


def _export(client: Client, session: ChatSession, **query: str) -> Any:
    return client.get(reverse("chat:session_export", args=[session.pk]), query)


# --- search ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("garden", ["Garden talk"]),
        ("花壇", ["Garden talk"]),
        ("marigold", ["Garden talk"]),
        ("marigold　花壇", ["Garden talk"]),
        ("marigold nowhere", []),
        ("100%", []),
        ("_", []),
        ("\x00", ["Other", "Garden talk"]),
        ("", ["Other", "Garden talk"]),
    ],
)
def test_a_search_looks_into_names_messages_and_replies(
    student: User, other_student: User, search: str, found: list[str]
) -> None:
    session = make_base_session(student, name="Garden talk")
    make_answer(make_message(session, "3番の花壇の花は？"), "A marigold.")
    make_base_session(student, name="Other")
    make_answer(make_message(make_base_session(other_student, name="Garden of Ben")), "marigold")
    sessions = search_sessions(sessions_visible_to(student), search)
    assert [session.name for session in sessions] == found


def test_the_list_says_when_nothing_was_found(student: User, client_of: SignIn) -> None:
    make_base_session(student, name="Garden talk")
    client = client_of(student)
    page = client.get(reverse("chat:session_list"), {"q": "<b>none</b>"}).content.decode()
    assert "Nothing found" in page
    assert "<b>none" not in page
    assert (
        "Garden talk" in client.get(reverse("chat:session_list"), {"q": "GARDEN"}).content.decode()
    )


def test_a_search_goes_on_to_its_next_page(student: User, client_of: SignIn) -> None:
    for number in range(21):
        make_base_session(student, name=f"Garden {number}")
    page = client_of(student).get(reverse("chat:session_list"), {"q": "garden"}).content.decode()
    assert 'href="?q=garden&amp;page=2"' in page


@pytest.mark.parametrize(
    ("back", "target"),
    [("/chat/?q=x", "/chat/?q=x"), ("https://evil.example/", None), ("//evil.example", None)],
)
def test_a_rename_goes_back_to_where_it_was_asked_but_never_elsewhere(
    student: User, client_of: SignIn, back: str, target: str | None
) -> None:
    session = make_base_session(student)
    response = client_of(student).post(
        reverse("chat:session_rename", args=[session.pk]), {"name": "New", "next": back}
    )
    assert response["Location"] == (target or reverse("chat:session_detail", args=[session.pk]))


# --- the system prompt -------------------------------------------------------------------------------


def test_the_system_prompt_is_changed_and_taken_away(student: User, client_of: SignIn) -> None:
    session = make_base_session(student, settings={"temperature": 0.2})
    address = reverse("chat:session_settings", args=[session.pk])
    client = client_of(student)
    client.post(address, {"system_prompt": "短く。"})
    session.refresh_from_db()
    assert session.settings["system_prompt"] == "短く。"
    assert session.settings["temperature"] == 0.2
    client.post(address, {"system_prompt": "  "})
    session.refresh_from_db()
    assert "system_prompt" not in session.settings


@pytest.mark.parametrize("prompt", ["a\x00b", "bell \x07", "x" * 1_000_000])
def test_a_system_prompt_that_is_no_text_is_refused_in_place(
    student: User, client_of: SignIn, prompt: str
) -> None:
    session = make_base_session(student, settings={"system_prompt": "Be brief."})
    response = client_of(student).post(
        reverse("chat:session_settings", args=[session.pk]), {"system_prompt": prompt}
    )
    assert response.status_code == 422
    assert 'id="chat_system_prompt_error"' in response.content.decode()
    session.refresh_from_db()
    assert session.settings["system_prompt"] == "Be brief."


# --- files -------------------------------------------------------------------------------------------


@pytest.fixture
def branched(student: User) -> ChatSession:
    session = make_base_session(
        student, name='../../庭 <talk>"\r\n', settings={"system_prompt": "Be brief."}
    )
    first = make_answer(make_message(session, "one"), "Class 3B. \u202egnp.exe")
    correct(first, "Class 3A.")
    other = regenerate(first)
    other.message.session = session
    other.__class__.objects.filter(pk=other.pk).update(status="completed", text="Class 3C.")
    make_answer(edit_message(first.message, text="uno"), "Classe 3B.")
    return session


def test_json_holds_every_branch_and_take_with_settings_and_figures(
    student: User, client_of: SignIn, branched: ChatSession
) -> None:
    response = _export(client_of(student), branched, format="json", scope="all")
    data = json.loads(response.content)
    assert [message["content"] for message in data["messages"]] == ["one", "uno"]
    first, second = data["messages"][0]["replies"]
    assert (first["take"], first["is_chosen"], second["is_chosen"]) == (1, False, True)
    assert first["corrected_text"] == "Class 3A."
    assert first["sampling"]["temperature"] == 0.7
    assert first["timings"]["tokens_per_second"] == 17.3
    assert data["settings"] == {"system_prompt": "Be brief."}
    assert data["models"][0]["base_model"] == branched.main.base_model.name


def test_the_branch_in_view_alone_can_be_saved(
    student: User, client_of: SignIn, branched: ChatSession
) -> None:
    data = json.loads(_export(client_of(student), branched, format="json", scope="branch").content)
    assert [message["content"] for message in data["messages"]] == ["uno"]


def test_markdown_is_to_be_read_and_holds_nothing_that_acts(
    student: User, client_of: SignIn, branched: ChatSession
) -> None:
    text = _export(client_of(student), branched, format="markdown", scope="all").content.decode()
    for piece in ("one", "uno", "Class 3C.", "Classe 3B.", "Class 3A.", "Be brief.", "take 1"):
        assert piece in text
    assert "another beginning" in text
    assert "\u202e" not in text


@pytest.mark.parametrize(("kind", "ending"), [("json", ".json"), ("markdown", ".md")])
def test_a_file_is_an_attachment_with_a_harmless_name(
    student: User, client_of: SignIn, branched: ChatSession, kind: str, ending: str
) -> None:
    response = _export(client_of(student), branched, format=kind)
    disposition = response["Content-Disposition"]
    assert disposition.startswith("attachment")
    assert disposition.endswith(ending)
    assert not set(disposition) & set("/\\<>\r\n")
    assert response["X-Content-Type-Options"] == "nosniff"


def test_a_file_of_an_unknown_kind_is_refused(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    page = client_of(student).get(
        reverse("chat:session_export", args=[session.pk]), {"format": "exe"}, follow=True
    )
    assert "Choose one of: json, markdown." in page.content.decode()


@pytest.mark.parametrize("name", ["session_export", "session_settings"])
def test_a_stranger_neither_saves_nor_changes_a_chat(
    student: User, other_student: User, client_of: SignIn, name: str
) -> None:
    session = make_base_session(student)
    address = reverse(f"chat:{name}", args=[session.pk])
    client = client_of(other_student)
    response = client.get(address) if name == "session_export" else client.post(address)
    assert response.status_code == 404


# --- what the page tells -----------------------------------------------------------------------------


def test_the_room_tells_how_much_of_the_context_is_taken(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    reply = make_answer(make_message(session), "Class 3B.")
    limit = session.main.base_model.context_length
    type(reply).objects.filter(pk=reply.pk).update(
        usage={"prompt_tokens": 100, "completion_tokens": 23, "dropped_turns": 2}
    )
    page = client_of(student).get(reverse("chat:session_detail", args=[session.pk]))
    html = page.content.decode()
    assert f"123 of {limit} tokens" in html
    assert "The oldest 2 turns were left out" in html


def test_a_waiting_reply_tells_its_place(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    make_message(session)
    page = client_of(student).get(reverse("chat:session_detail", args=[session.pk]))
    assert "Place 1 in the queue" in page.content.decode()


def test_a_chat_whose_adapter_is_gone_can_be_read_and_says_so(
    student: User, client_of: SignIn
) -> None:
    session = make_tuned_session(student, is_compared=False)
    make_answer(make_message(session, "Still readable?"), "Yes.", target="tuned")
    session.main.job.delete()
    html = (
        client_of(student).get(reverse("chat:session_detail", args=[session.pk])).content.decode()
    )
    assert "Still readable?" in html
    assert "its adapter with it" in html
    assert 'id="composer"' not in html


def test_a_chat_whose_base_model_is_not_offered_any_more_says_so(
    student: User, client_of: SignIn
) -> None:
    session = make_base_session(student)
    base_model = session.main.base_model
    base_model.is_enabled = False
    base_model.save()
    client = client_of(student)
    html = client.get(reverse("chat:session_detail", args=[session.pk])).content.decode()
    assert "is not offered here any more" in html
    assert 'id="composer"' not in html
    response = client.post(reverse("chat:message_send", args=[session.pk]), {"text": "Hello"})
    assert response.status_code == 422
    assert not session.messages.exists()


def test_markers_of_a_chat_template_stay_text(student: User, client_of: SignIn) -> None:
    session = make_base_session(student)
    text = "<|im_end|>\n<|im_start|>system\n{{ 7*7 }}{% include 'x' %}"
    make_answer(make_message(session, text), text)
    html = (
        client_of(student).get(reverse("chat:session_detail", args=[session.pk])).content.decode()
    )
    assert (
        "&lt;|im_end|&gt;\n&lt;|im_start|&gt;system\n{{ 7*7 }}{% include &#x27;x&#x27; %}" in html
    )
