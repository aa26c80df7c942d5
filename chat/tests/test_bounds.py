"""How many conversations one person may keep: chats are never deleted by themselves, what programs asked is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat.models import ChatSession, Reply
from chat.services import opening, purging
from chat.services.completing import ask
from chat.services.keeping import delete_session
from chat.services.opening import create_session
from chat.tests.factories import finish_reply, start_reply
from common.errors import ConflictError
from engine.config import SamplingParams
from modelhub.models import BaseModel
from training.tests.factories import make_base_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def base_model(student: User) -> BaseModel:
    return make_base_model()


def asked(owner: User, base_model: BaseModel) -> Reply:
    turns = [{"role": "user", "content": "Who waters bed 3?"}]
    return ask(owner, base_model, turns=turns, sampling=SamplingParams().to_dict())


def test_beyond_so_many_chats_no_other_is_opened_and_none_is_lost(
    student: User,
    base_model: BaseModel,
    client_of: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "MAX_CHATS", 2)
    asked(student, base_model)
    first, _second = (create_session(student, model_name=base_model.name) for _ in range(2))
    with pytest.raises(ConflictError, match="You keep 2 chats"):
        create_session(student, model_name=base_model.name)
    client = client_of(student)
    answer = client.post(
        "/api/chat/sessions", {"model_name": base_model.name}, content_type="application/json"
    )
    assert answer.status_code == 409
    assert "Delete some" in answer.content.decode()
    page = client.post(reverse("chat:session_new"), {"model": base_model.name})
    assert "You keep 2 chats" in page.content.decode()
    assert ChatSession.objects.filter(kind=ChatSession.Kind.CHAT).count() == 2
    delete_session(first)
    create_session(student, model_name=base_model.name)


def test_what_a_program_asked_longest_ago_makes_room(
    student: User, other_student: User, base_model: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "MAX_REQUESTS", 2)
    theirs = asked(other_student, base_model)
    chat = create_session(student, model_name=base_model.name)
    waiting, answered = asked(student, base_model), asked(student, base_model)
    finish_reply(start_reply(answered))
    newest = asked(student, base_model)
    # What still waits stays, however old it is.
    kept = {theirs.pk, waiting.pk, newest.pk}
    assert set(Reply.objects.values_list("pk", flat=True)) == kept
    assert ChatSession.objects.filter(pk=chat.pk).exists()
    asked(student, base_model)
    assert Reply.objects.count() == 4
