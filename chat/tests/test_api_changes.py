"""What programs change in a chat: its name and settings, branches, takes, ratings and better answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from chat.models import ChatSession, Message, Reply
from chat.tests.factories import make_answer, make_base_session, make_message
from datasets_app.models import Dataset
from datasets_app.services.creating import create_dataset

SignIn = Callable[[User], Client]
CALLS = {
    "sessions/{session}": ("patch", {"name": "New"}),
    "sessions/{session}/export": ("get", None),
    "messages/{message}/edit": ("post", {"message": "uno"}),
    "messages/{message}/show": ("post", {}),
    "replies/{reply}/regenerate": ("post", {}),
    "replies/{reply}/choose": ("post", {}),
    "replies/{reply}/rate": ("post", {"rating": 1}),
    "replies/{reply}/correct": ("post", {"corrected_text": "better"}),
}


def _call(client: Client, method: str, path: str, body: Any = None) -> Any:
    if method == "get":
        return client.get(f"/api/chat/{path}")
    return getattr(client, method)(f"/api/chat/{path}", body, content_type="application/json")


@pytest.fixture
def reply(student: User) -> Reply:
    session = make_base_session(student, name="Garden", settings={"temperature": 0.2})
    return make_answer(make_message(session, "Who waters bed 3?"), "Nobody.")


def _path(path: str, reply: Reply) -> str:
    return path.format(session=reply.message.session_id, message=reply.message_id, reply=reply.pk)


@pytest.mark.parametrize("path", CALLS)
def test_each_call_is_for_the_owner(
    student: User,
    other_student: User,
    client: Client,
    client_of: SignIn,
    reply: Reply,
    path: str,
) -> None:
    method, body = CALLS[path]
    for visitor, status in ((client, 401), (client_of(other_student), 404)):
        response = _call(visitor, method, _path(path, reply), body)
        assert (response.status_code, response.json()["code"]) in (
            (status, "not_signed_in"),
            (status, "not_found"),
        )
    assert (ChatSession.objects.get().name, Message.objects.count()) == ("Garden", 1)
    assert Reply.objects.filter(rating=None, corrected_text="").count() == 1
    owner = client_of(student)
    assert _call(owner, method, _path(path, reply), body).status_code in (200, 201)
    nowhere = path.format(session=uuid4(), message=uuid4(), reply=uuid4())
    assert _call(owner, method, nowhere, body).status_code == 404


def test_what_a_change_leaves_out_stays(student: User, client_of: SignIn, reply: Reply) -> None:
    client, path = client_of(student), _path("sessions/{session}", reply)
    answer = _call(client, "patch", path, {"settings": {"system_prompt": "Be brief."}}).json()
    assert (answer["name"], answer["settings"]["temperature"]) == ("Garden", 0.2)
    answer = _call(client, "patch", path, {"name": "Bed 3"}).json()
    assert (answer["name"], answer["settings"]["system_prompt"]) == ("Bed 3", "Be brief.")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "  "},
        {"name": 5},
        {"settings": {"temperature": 9}},
        {"settings": {"temperature": 10**400}},
        {"settings": {"stop": ["x" * 65]}},
        {"settings": {"stop": [1]}},
        {"settings": {"colour": 1}},
        {"settings": {"system_prompt": "bell \x07"}},
        {"name": "Half", "settings": {"top_p": 0}},
    ],
)
def test_a_bad_change_changes_nothing(
    student: User, client_of: SignIn, reply: Reply, body: dict[str, Any]
) -> None:
    response = _call(client_of(student), "patch", _path("sessions/{session}", reply), body)
    assert response.status_code == 422
    assert response.json()["message"]
    session = ChatSession.objects.get()
    assert (session.name, session.settings["temperature"]) == ("Garden", 0.2)


def test_the_list_is_searched(student: User, client_of: SignIn, reply: Reply) -> None:
    make_base_session(student, name="Other")
    client = client_of(student)
    answer = client.get("/api/chat/sessions", {"search": "nobody"}).json()
    assert [item["name"] for item in answer["items"]] == ["Garden"]
    assert client.get("/api/chat/sessions", {"search": "nowhere"}).json()["count"] == 0


def test_an_edit_answers_with_the_new_turn(student: User, client_of: SignIn, reply: Reply) -> None:
    body = {"message": "And bed 4?", "settings": {"seed": 3, "stop": "END"}}
    response = _call(client_of(student), "post", _path("messages/{message}/edit", reply), body)
    turn = response.json()
    assert response.status_code == 201
    assert (turn["message"]["content"], turn["message"]["parent_id"]) == ("And bed 4?", None)
    assert turn["replies"][0]["status"] == "pending"
    assert turn["replies"][0]["sampling"]["seed"] == 3
    assert turn["replies"][0]["sampling"]["stop"] == ["END"]


def test_a_take_is_drawn_and_the_other_one_chosen(
    student: User, client_of: SignIn, reply: Reply
) -> None:
    client = client_of(student)
    new = _call(client, "post", _path("replies/{reply}/regenerate", reply)).json()
    assert (new["take"], new["is_chosen"], new["status"]) == (2, True, "pending")
    busy = _call(client, "post", _path("replies/{reply}/choose", reply))
    assert (busy.status_code, busy.json()["code"]) == (409, "conflict")
    Reply.objects.filter(pk=new["id"]).update(status=Reply.Status.CANCELLED)
    chosen = _call(client, "post", _path("replies/{reply}/choose", reply)).json()
    assert (chosen["id"], chosen["is_chosen"]) == (str(reply.pk), True)
    listed = client.get(f"/api/chat/sessions/{reply.message.session_id}/messages").json()["items"]
    assert [item["id"] for item in listed[1:]] == [str(reply.pk)]


@pytest.mark.parametrize("rating", [0, 2, "good", 1.5])
def test_a_rating_is_good_bad_or_none(
    student: User, client_of: SignIn, reply: Reply, rating: Any
) -> None:
    client, path = client_of(student), _path("replies/{reply}/rate", reply)
    assert _call(client, "post", path, {"rating": -1}).json()["rating"] == -1
    assert _call(client, "post", path, {"rating": rating}).status_code == 422
    assert _call(client, "post", path, {"rating": None}).json()["rating"] is None


def test_a_better_answer_goes_to_a_dataset(student: User, client_of: SignIn, reply: Reply) -> None:
    client, path = client_of(student), _path("replies/{reply}/correct", reply)
    new = {"corrected_text": "Class 3B.", "new_dataset": {"name": "Answers", "type": "chat"}}
    answer = _call(client, "post", path, new).json()
    dataset = Dataset.objects.get()
    assert (answer["dataset_id"], answer["version"]) == (str(dataset.pk), 1)
    assert answer["reply"]["corrected_text"] == "Class 3B."
    again = {"corrected_text": "Class 3C.", "dataset_id": str(dataset.pk)}
    assert _call(client, "post", path, again).json()["version"] == 2


def test_a_dataset_of_somebody_else_gets_nothing(
    student: User, other_student: User, client_of: SignIn, reply: Reply
) -> None:
    theirs = create_dataset(
        other_student, name="Theirs", records=[{"instruction": "a?", "output": "b"}]
    )
    body = {"corrected_text": "Class 3B.", "dataset_id": str(theirs.pk)}
    response = _call(client_of(student), "post", _path("replies/{reply}/correct", reply), body)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 200), ("?format=markdown&scope=branch", 200), ("?format=exe", 422), ("?scope=x", 422)],
)
def test_a_chat_comes_as_a_file(
    student: User, client_of: SignIn, reply: Reply, query: str, status: int
) -> None:
    response = client_of(student).get(
        f"/api/chat/{_path('sessions/{session}/export', reply)}{query}"
    )
    assert response.status_code == status
    if status == 200:
        assert response["Content-Disposition"].startswith("attachment")
        assert b"Who waters bed 3?" in response.content
    if not query:
        assert json.loads(response.content)["messages"][0]["replies"][0]["content"] == "Nobody."
