"""Votes on answers, and the names of a blind chat: nobody learns them before the reveal, anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat import lifecycle
from chat.ballots import tally_of
from chat.fragments import suggestions
from chat.models import Answerer, ChatSession, Message, Reply, Vote
from chat.selectors import get_session
from chat.services.opening import create_session
from chat.services.voting import cast, reveal
from chat.tests.comparisons import answer_all, make_comparison
from chat.tests.factories import make_base_session, make_message, make_tuned_session, start_reply
from common.errors import ConflictError, InvalidInputError
from modelhub.models import BaseModel
from training.models import TrainingJob
from training.tests.factories import make_base_model, make_completed_job

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
BETTER, TIE, NONE = Vote.Verdict.BETTER, Vote.Verdict.TIE, Vote.Verdict.NONE


def _answered(session: ChatSession, text: str = "Who waters bed 3?") -> Message:
    message = make_message(session, text)
    count = session.answerers.count()
    answer_all(message, *(f"Answer {number}." for number in range(1, count + 1)))
    return message


def _models(session: ChatSession) -> list[Answerer]:
    return list(session.answerers.all())


# --- votes ---------------------------------------------------------------------------------------------


def test_a_vote_is_given_and_changed_and_there_is_one_for_each_message(student: User) -> None:
    session = make_comparison(student, 3, is_blind=True)
    message, (first, second, _third) = _answered(session), _models(session)
    assert cast(message, BETTER, first).winner == first
    assert cast(message, BETTER, second).winner == second
    vote = cast(message, TIE)
    assert (vote.winner, vote.verdict, vote.was_blind) == (None, TIE, True)
    assert Vote.objects.count() == 1


@pytest.mark.parametrize(("verdict", "with_winner"), [("best", True), (BETTER, False), (TIE, True)])
def test_a_verdict_and_its_winner_must_go_together(
    student: User, verdict: str, with_winner: bool
) -> None:
    session = make_comparison(student, 2)
    winner = _models(session)[0] if with_winner else None
    with pytest.raises(InvalidInputError):
        cast(_answered(session), verdict, winner)
    assert not Vote.objects.exists()


def test_a_model_of_another_chat_can_not_win(student: User) -> None:
    message = _answered(make_comparison(student, 2))
    with pytest.raises(InvalidInputError, match="did not answer"):
        cast(message, BETTER, _models(make_tuned_session(student))[0])


def test_nobody_votes_before_all_have_answered(student: User) -> None:
    session = make_comparison(student, 2)
    message = make_message(session)
    lifecycle.complete(
        start_reply(message.replies.first()), finish_reason="stop", usage={}, timings={}
    )
    with pytest.raises(ConflictError, match="still answering"):
        cast(message, TIE)


def test_one_answer_alone_is_not_voted_on(student: User) -> None:
    alone = make_message(make_base_session(student))
    answer_all(alone, "One.")
    compared = make_message(make_comparison(student, 2))
    first, second = compared.replies.all()
    lifecycle.fail(start_reply(first), "internal")
    lifecycle.complete(start_reply(second), finish_reason="stop", usage={}, timings={})
    for message in (alone, compared):
        with pytest.raises(ConflictError, match="not two answers"):
            cast(message, TIE)


def test_a_blind_vote_stands_after_the_reveal_and_others_can_change(student: User) -> None:
    session = make_comparison(student, 2, is_blind=True)
    judged, later = _answered(session), _answered(session, "And bed 4?")
    cast(judged, BETTER, _models(session)[0])
    reveal(session)
    with pytest.raises(ConflictError, match="stand"):
        cast(judged, TIE)
    vote = cast(later, TIE)
    assert not vote.was_blind
    assert cast(later, NONE).verdict == NONE


def test_a_revealed_duel_takes_no_vote(student: User) -> None:
    session = make_comparison(student, 2, is_blind=True)
    ChatSession.objects.update(kind=ChatSession.Kind.DUEL)
    message = _answered(session)
    reveal(session, is_vote_needed=False)
    with pytest.raises(ConflictError):
        cast(message, TIE)


# --- the reveal ------------------------------------------------------------------------------------------


def test_the_reveal_needs_a_vote_or_the_word_that_there_is_none(student: User) -> None:
    session = make_comparison(student, 2, is_blind=True)
    with pytest.raises(ConflictError, match="not voted"):
        reveal(session)
    assert reveal(session, is_vote_needed=False).revealed_at
    told_at = session.revealed_at
    assert reveal(session).revealed_at == told_at


def test_names_that_were_never_hidden_are_not_revealed(student: User) -> None:
    with pytest.raises(ConflictError, match="never hidden"):
        reveal(make_comparison(student, 2))


def test_the_summary_counts_who_was_best(student: User) -> None:
    session = make_comparison(student, 3, is_blind=True)
    first, second, third = _models(session)
    for verdict, winner in ((BETTER, first), (BETTER, first), (BETTER, third), (TIE, None)):
        cast(_answered(session), verdict, winner)
    reveal(session)
    cast(_answered(session), NONE)
    tally = tally_of(get_session(student, session.pk))
    assert (tally.total, tally.blind, tally.ties, tally.none_good) == (5, 4, 1, 1)
    assert [(row.face.name, row.count) for row in tally.wins] == [
        (first.label, 2),
        (second.label, 0),
        (third.label, 1),
    ]
    assert [row.face.letter for row in tally.wins] == ["A", "B", "C"]


def test_blind_models_come_in_every_order(student: User) -> None:
    names = [f"job-{make_completed_job(student).pk}", make_base_model().name]
    firsts = {
        create_session(student, models=names, is_blind=True).answerers.get(position=0).kind
        for _number in range(24)
    }
    assert firsts == {"tuned", "base"}


def test_a_pair_can_be_blind_too(student: User) -> None:
    session = make_tuned_session(student, is_blind=True)
    assert (session.hides_names, session.name) == (True, "Blind comparison")


# --- pages -----------------------------------------------------------------------------------------------


def test_a_vote_comes_back_with_the_button_pressed_and_the_reveal_offered(
    student: User, client_of: SignIn
) -> None:
    session = make_comparison(student, 2, is_blind=True)
    message, winner = _answered(session), _models(session)[1]
    client = client_of(student)
    room = reverse("chat:session_detail", args=[session.pk])
    assert "Reveal without voting" in client.get(room).content.decode()
    html = client.post(
        reverse("chat:message_vote", args=[message.pk]),
        {"choice": f"better:{winner.pk}"},
        headers=HTMX,
    ).content.decode()
    assert html.count('aria-pressed="true"') == 1
    assert "Reveal the names" in html
    page = client.post(reverse("chat:session_reveal", args=[session.pk]), follow=True)
    told = page.content.decode()
    assert f"Best answer: {winner.label}" in told
    assert "1 vote, given without knowing the names." in told


@pytest.mark.parametrize("choice", ["", "better", "better:nonsense", "first"])
def test_a_vote_that_is_none_is_refused(student: User, client_of: SignIn, choice: str) -> None:
    message = _answered(make_comparison(student, 2))
    address = reverse("chat:message_vote", args=[message.pk])
    response = client_of(student).post(address, {"choice": choice}, headers=HTMX)
    assert response.status_code == 422
    assert "toast" in response["HX-Trigger"]
    assert client_of(student).post(address, {"choice": choice}).status_code == 302
    assert not Vote.objects.exists()


def test_a_stranger_reveals_nothing(student: User, other_student: User, client_of: SignIn) -> None:
    session = make_comparison(student, 2, is_blind=True)
    client = client_of(other_student)
    assert client.post(reverse("chat:session_reveal", args=[session.pk])).status_code == 404
    api = f"/api/chat/sessions/{session.pk}/reveal"
    assert client.post(api, content_type="application/json").status_code == 404


# --- programs ----------------------------------------------------------------------------------------------


def test_programs_compare_vote_and_reveal(student: User, client_of: SignIn) -> None:
    client = client_of(student)
    job, base = make_completed_job(student, name="Garden"), make_base_model()
    body = {"models": [f"job-{job.pk}", base.name], "is_blind": True}
    opened = _post(client, "sessions", body)
    assert opened.status_code == 201
    session = ChatSession.objects.get()
    message = _answered(session)
    assert opened.json()["models"][0]["name"] == "Model A"
    winner = next(row for row in _models(session) if row.kind == "tuned")
    vote = _post(
        client, f"messages/{message.pk}/vote", {"verdict": "better", "answerer_id": str(winner.pk)}
    )
    assert vote.json() == {
        "message_id": str(message.pk),
        "verdict": "better",
        "answerer_id": str(winner.pk),
        "was_blind": True,
    }
    told = _post(client, f"sessions/{session.pk}/reveal", {}).json()
    assert told["revealed_at"]
    assert {row["model"]: row["wins"] for row in told["votes"]["models"]} == {
        "Garden": 1,
        base.name: 0,
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"verdict": "best"}, 422),
        ({"verdict": "better"}, 422),
        ({"verdict": "better", "answerer_id": "00000000-0000-0000-0000-000000000000"}, 422),
        ({}, 422),
    ],
)
def test_bad_votes_of_programs_are_refused(
    student: User, client_of: SignIn, body: dict[str, Any], status: int
) -> None:
    message = _answered(make_comparison(student, 2))
    assert _post(client_of(student), f"messages/{message.pk}/vote", body).status_code == status


def test_a_program_must_say_that_it_reveals_without_a_vote(
    student: User, client_of: SignIn
) -> None:
    session = make_comparison(student, 2, is_blind=True)
    client = client_of(student)
    assert _post(client, f"sessions/{session.pk}/reveal", {}).status_code == 409
    told = _post(client, f"sessions/{session.pk}/reveal", {"without_vote": True})
    assert told.status_code == 200


def test_the_list_of_chats_costs_the_same_for_many_votes(
    student: User, client_of: SignIn, django_assert_max_num_queries: Any
) -> None:
    for _number in range(4):
        session = make_comparison(student, 2)
        cast(_answered(session), TIE)
    client = client_of(student)
    client.get("/api/chat/sessions")
    with django_assert_max_num_queries(6):
        items = client.get("/api/chat/sessions").json()["items"]
    assert [item["votes"]["total"] for item in items] == [1, 1, 1, 1]


def _post(client: Client, path: str, body: Any) -> Any:
    return client.post(f"/api/chat/{path}", body, content_type="application/json")


# --- nothing tells a name ----------------------------------------------------------------------------------

SECRETS = (
    "Secret garden",
    "secret-base",
    "secret-server",
    "adapter_unusable",
    "is-tuned",
    "is-base",
)


def _secret_session(owner: User) -> ChatSession:
    """A job and a base model whose names stand nowhere else; one answered on a server, and one failed."""
    job = make_completed_job(owner, name="Secret garden")
    base = BaseModel.objects.create(
        name="secret-base", source=BaseModel.Source.LOCAL, digest="0", context_length=777
    )
    TrainingJob.objects.filter(pk=job.pk).update(base_model=base)
    session = create_session(owner, models=[f"job-{job.pk}", base.name], is_blind=True)
    message = make_message(session)
    for reply in message.replies.all():
        lease = start_reply(reply)
        if reply.answerer.kind == Answerer.Kind.TUNED:
            lifecycle.fail(lease, "adapter_unusable")
        else:
            lifecycle.append_text(lease, offset=0, text="I do not know.")
            timings = {"tokens_per_second": 12.5, "backend": "secret-server"}
            lifecycle.complete(
                lease, finish_reason="stop", usage={"completion_tokens": 4}, timings=timings
            )
    return session


def _surfaces(client: Client, session: ChatSession) -> dict[str, str]:
    """Everything that a person or a program can read of a chat, by its address."""
    pk, message, reply = session.pk, Message.objects.get(), Reply.objects.exclude(text="").get()
    pages = [
        reverse("chat:session_list"),
        reverse("chat:session_detail", args=[pk]),
        reverse("chat:session_live", args=[pk]),
        reverse("chat:session_delete", args=[pk]),
        reverse("chat:message_detail", args=[message.pk]),
        reverse("chat:message_edit", args=[message.pk]),
        reverse("chat:reply_correct", args=[reply.pk]),
        *(
            f"{reverse('chat:session_export', args=[pk])}?format={kind}&scope={scope}"
            for kind in ("json", "markdown")
            for scope in ("branch", "all")
        ),
        "/api/chat/sessions",
        f"/api/chat/sessions/{pk}",
        f"/api/chat/sessions/{pk}/messages",
        "/",
    ]
    found = {page: client.get(page, follow=True).content.decode() for page in pages}
    rated = client.post(reverse("chat:reply_rate", args=[reply.pk]), {"rating": "1"}, headers=HTMX)
    chosen = client.post(reverse("chat:take_choose", args=[reply.pk]), headers=HTMX)
    shown = client.post(reverse("chat:branch_show", args=[message.pk]), headers=HTMX)
    answers = {"rate": rated, "choose": chosen, "show": shown}
    return found | {name: answer.content.decode() for name, answer in answers.items()}


def test_no_page_file_or_call_tells_a_hidden_name(student: User, client_of: SignIn) -> None:
    session = _secret_session(student)
    job = TrainingJob.objects.get()
    client = client_of(student)
    surfaces = _surfaces(client, session)
    home = surfaces.pop("/")
    assert home
    for address, text in surfaces.items():
        assert text, address
        for secret in (*SECRETS, str(job.pk)):
            assert secret not in text, (address, secret)
    room = surfaces[reverse("chat:session_detail", args=[session.pk])]
    assert "Model A" in room
    assert "Model B" in room
    assert "12.5 tokens/s" in room
    assert "The reason would tell which model it is" in room
    assert "777 tokens" in room


def test_everything_tells_the_names_after_the_reveal(student: User, client_of: SignIn) -> None:
    session = _secret_session(student)
    reveal(session, is_vote_needed=False)
    surfaces = _surfaces(client_of(student), session)
    for address in (
        reverse("chat:session_detail", args=[session.pk]),
        f"/api/chat/sessions/{session.pk}",
        f"/api/chat/sessions/{session.pk}/messages",
    ):
        assert "Secret garden" in surfaces[address], address
        assert "Model A" not in surfaces[address], address


def test_suggestions_do_not_tell_the_order_of_the_models(student: User) -> None:
    names = [f"job-{make_completed_job(student).pk}" for _number in range(3)]
    asked = {
        tuple(
            suggestions(
                get_session(student, create_session(student, models=names, is_blind=True).pk)
            )
        )
        for _number in range(8)
    }
    assert len(asked) == 1


def test_a_refusal_tells_no_name(student: User, client_of: SignIn) -> None:
    session = _secret_session(student)
    TrainingJob.objects.all().delete()
    BaseModel.objects.filter(name="secret-base").update(is_enabled=False)
    client = client_of(student)
    room = client.get(reverse("chat:session_detail", args=[session.pk])).content.decode()
    refused = client.post(
        reverse("chat:message_send", args=[session.pk]), {"text": "And now?"}, headers=HTMX
    )
    generated = _post(client, "generate", {"session_id": str(session.pk), "message": "And now?"})
    for text in (room, refused.content.decode(), generated.content.decode()):
        assert "One of the models can not answer any more." in text
        assert not any(secret in text for secret in SECRETS)


# --- too many at once ----------------------------------------------------------------------------------------


def test_too_many_messages_answer_429_with_the_sentence_in_its_place(
    student: User, client_of: SignIn, settings: Any
) -> None:
    settings.CHAT_WAITING_PER_OWNER = 1
    session = make_comparison(student, 2)
    address = reverse("chat:message_send", args=[session.pk])
    response = client_of(student).post(address, {"text": "Hello"}, headers=HTMX)
    assert response.status_code == 429
    page = response.content.decode()
    assert 'id="composer"' in page
    assert "so no more can be sent at once" in page
    assert '"code":"429","swap":true' in client_of(student).get("/chat/").content.decode()
