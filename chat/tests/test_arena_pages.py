"""The pages and the API of the arena: who sees what, what a blind duel does not tell, and how a vote ends it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Cohort, Membership, User
from chat.api.arena import ArenaSchema
from chat.arena.standings import board_of, read_arena
from chat.models import ChatSession, Vote
from chat.services.opening import create_session
from chat.services.sending import send_message
from chat.tests.arena_class import (
    answer_both,
    answered_duel,
    begin,
    decide,
    duel_on,
    enter,
    join,
    make_class,
)
from common.errors import ConflictError
from training.models import JobShare, TrainingJob
from training.sharing.changing import set_share
from training.tests.factories import make_completed_job, make_person

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]
Class = tuple[Cohort, list[TrainingJob]]
HTMX = {"HX-Request": "true", "HX-Target": "arena-standings"}


@pytest.fixture
def garden() -> Class:
    return make_class("Emi", "Fumi", "Goro")


@pytest.fixture
def cohort(garden: Class) -> Cohort:
    return garden[0]


@pytest.fixture
def voter(cohort: Cohort, student: User) -> User:
    return join(cohort, student)


def board_address(cohort: Cohort) -> str:
    return reverse("chat:arena_board", args=[cohort.pk])


def ask(client: Client, cohort: Cohort, **data: str) -> Any:
    return client.post(reverse("chat:arena_begin", args=[cohort.pk]), data)


def give_vote(client: Client, session: ChatSession, verdict: object) -> Any:
    return client.post(reverse("chat:arena_vote", args=[session.pk]), {"verdict": str(verdict)})


def duel_page(client: Client, session: ChatSession) -> str:
    answer = client.get(reverse("chat:arena_duel", args=[session.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


# --- ways in ----------------------------------------------------------------------------------------


def test_the_arena_of_the_only_class_opens_at_once(
    client_of: Sign, cohort: Cohort, voter: User
) -> None:
    answer = client_of(voter).get(reverse("chat:arena"))
    assert answer["Location"] == board_address(cohort)


def test_with_several_classes_one_is_chosen(client_of: Sign, cohort: Cohort, voter: User) -> None:
    other = Cohort.objects.create(name="Rose club")
    join(other, voter)
    html = client_of(voter).get(reverse("chat:arena")).content.decode()
    assert board_address(cohort) in html
    assert board_address(other) in html


def test_without_a_class_the_page_says_so(client_of: Sign, student: User) -> None:
    assert (
        "You are in no class yet" in client_of(student).get(reverse("chat:arena")).content.decode()
    )


def test_other_classes_are_not_there(client_of: Sign, cohort: Cohort) -> None:
    client = client_of(make_person("dana"))
    assert client.get(board_address(cohort)).status_code == 404
    assert ask(client, cohort, prompt="Who?").status_code == 404
    assert client.get(f"/api/chat/arena/{cohort.pk}").status_code == 404
    call = f"/api/chat/arena/{cohort.pk}/duels"
    assert client.post(call, {"prompt": "Who?"}, "application/json").status_code == 404
    assert client.get(f"/api/chat/arena/{uuid.uuid4()}").status_code == 404
    assert client.get("/api/chat/arena").json() == {"items": [], "count": 0}


def test_the_arena_asks_who_is_there(client: Client, cohort: Cohort) -> None:
    assert client.get(board_address(cohort)).status_code == 302
    assert client.get(f"/api/chat/arena/{cohort.pk}").status_code == 401


# --- the board --------------------------------------------------------------------------------------


def test_an_empty_arena_says_how_to_begin(client_of: Sign, student: User) -> None:
    cohort = Cohort.objects.create(name="New class")
    join(cohort, student)
    html = client_of(student).get(board_address(cohort)).content.decode()
    assert "Nobody takes part yet" in html
    assert "A duel needs two adapters of classmates" in html
    assert 'name="prompt"' not in html


def test_the_board_names_entries_and_own_ones(client_of: Sign, garden: Class, voter: User) -> None:
    cohort, jobs = garden
    html = client_of(jobs[0].owner).get(board_address(cohort)).content.decode()
    for job in jobs:
        assert job.name in html
    assert html.count(reverse("training:job_detail", args=[jobs[0].pk])) == 1
    assert reverse("training:job_detail", args=[jobs[1].pk]) not in html
    assert "not yet known" in html


def test_observers_see_the_standings_and_no_question(client_of: Sign, cohort: Cohort) -> None:
    observer = join(cohort, make_person("dana"), "observer")
    client = client_of(observer)
    html = client.get(board_address(cohort)).content.decode()
    assert "Answers of Emi" in html
    assert 'name="prompt"' not in html
    answer = ask(client, cohort, prompt="Who?")
    assert answer.status_code == 403
    assert "look on" in answer.content.decode()


def test_the_board_takes_as_many_queries_for_many_entries(
    client_of: Sign, garden: Class, voter: User
) -> None:
    cohort, jobs = garden
    client = client_of(voter)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(board_address(cohort)).status_code == 200
        return len(queries)

    count()
    few = count()
    for number in range(6):
        enter(cohort, join(cohort, make_person(f"person{number}")), f"Entry {number}")
    decide(duel_on(voter, cohort, jobs[0], jobs[1]), winner=jobs[0])
    decide(duel_on(voter, cohort, jobs[1], jobs[2]))
    assert count() == few


def test_hostile_names_are_text(client_of: Sign, garden: Class, voter: User) -> None:
    cohort, jobs = garden
    TrainingJob.objects.filter(pk=jobs[0].pk).update(name="<script>alert(1)</script>")
    User.objects.filter(pk=jobs[0].owner_id).update(display_name="<b>Emi</b>")
    html = client_of(voter).get(board_address(cohort)).content.decode()
    assert "<script>alert(1)" not in html
    assert "<b>Emi</b>" not in html


def test_the_projector_shows_the_picture_and_refreshes_itself(
    client_of: Sign, garden: Class, voter: User
) -> None:
    client = client_of(voter)
    whole = client.get(board_address(garden[0]), {"view": "projector"}).content.decode()
    assert "<html" in whole
    part = client.get(board_address(garden[0]), {"view": "projector"}, headers=HTMX)
    assert part.content.decode().lstrip().startswith("<div")


# --- a duel -----------------------------------------------------------------------------------------


def test_a_question_begins_a_duel(client_of: Sign, cohort: Cohort, voter: User) -> None:
    client = client_of(voter)
    answer = ask(client, cohort, prompt="What is a rose?")
    session = ChatSession.objects.get()
    assert answer["Location"] == reverse("chat:arena_duel", args=[session.pk])
    html = duel_page(client, session)
    assert "What is a rose?" in html
    assert "data-active" in html


def test_a_suggestion_is_asked_as_if_it_had_been_typed(
    client_of: Sign, cohort: Cohort, voter: User
) -> None:
    ask(client_of(voter), cohort, prompt="half", suggestion="What is moss?")
    assert ChatSession.objects.get().messages.get().text == "What is moss?"


def test_a_refused_question_stays_where_it_was_typed(
    client_of: Sign, cohort: Cohort, voter: User, settings: LazySettings
) -> None:
    client = client_of(voter)
    assert ask(client, cohort, prompt=" ").status_code == 422
    too_long = ask(client, cohort, prompt="long " * 4_000)
    assert too_long.status_code == 422
    assert "long long" in too_long.content.decode()
    settings.CHAT_WAITING_PER_OWNER = 1
    busy = ask(client, cohort, prompt="What is a rose?")
    assert busy.status_code == 429
    assert "What is a rose?" in busy.content.decode()
    assert not ChatSession.objects.exists()


def secrets_of(session: ChatSession) -> list[str]:
    """What would tell which adapters answer."""
    found = []
    for answerer in session.answerers.select_related("job__owner"):
        assert answerer.job is not None
        owner = answerer.job.owner
        found += [answerer.label, str(answerer.job_id), str(owner), owner.username]
    return found


def test_nothing_tells_the_names_before_the_vote(
    client_of: Sign, cohort: Cohort, voter: User
) -> None:
    client = client_of(voter)
    session = answered_duel(voter, cohort)
    addresses = [
        reverse("chat:arena_duel", args=[session.pk]),
        reverse("chat:session_live", args=[session.pk]),
        f"/api/chat/sessions/{session.pk}/messages",
        f"/api/chat/sessions/{session.pk}/export?format=json",
        f"/api/chat/sessions/{session.pk}/export?format=markdown",
    ]
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200, address
        text = answer.content.decode()
        for secret in secrets_of(session):
            assert not re.search(rf"\b{re.escape(secret)}\b", text), (address, secret)


@pytest.mark.parametrize("verdict", ["first", "second", "tie", "none"])
def test_a_vote_ends_the_duel(client_of: Sign, garden: Class, voter: User, verdict: str) -> None:
    cohort, jobs = garden
    client = client_of(voter)
    session = duel_on(voter, cohort, jobs[0], jobs[1])
    first, second = session.answerers.all()
    choice = {"first": first.pk, "second": second.pk}.get(verdict, verdict)
    assert 'id="arena-vote"' in duel_page(client, session)
    answer = give_vote(client, session, choice)
    assert answer["Location"] == reverse("chat:arena_duel", args=[session.pk])
    html = duel_page(client, session)
    assert 'id="arena-vote"' not in html
    assert "Answers of Emi" in html
    assert ">Fumi<" in html
    assert html.count("arena-reveal__one is-winner") == (verdict in ("first", "second"))
    vote = Vote.objects.get()
    assert vote.winner == {"first": first, "second": second}.get(verdict)


def test_a_second_vote_changes_nothing(client_of: Sign, garden: Class, voter: User) -> None:
    cohort, jobs = garden
    client = client_of(voter)
    session = duel_on(voter, cohort, jobs[0], jobs[1])
    give_vote(client, session, "tie")
    again = give_vote(client, session, "none")
    assert again.status_code == 302
    assert Vote.objects.get().verdict == "tie"


def test_a_vote_too_early_or_for_nobody_is_refused_in_words(
    client_of: Sign, cohort: Cohort, voter: User
) -> None:
    client = client_of(voter)
    session = begin(voter, cohort)
    early = give_vote(client, session, "tie")
    assert early.status_code == 409
    assert "still answering" in early.content.decode()
    answer_both(session)
    assert give_vote(client, session, uuid.uuid4()).status_code == 422
    assert give_vote(client, session, "").status_code == 422
    assert not Vote.objects.exists()


def test_leaving_in_the_middle_is_told_without_a_name(
    client_of: Sign, garden: Class, voter: User
) -> None:
    cohort, jobs = garden
    client = client_of(voter)
    session = duel_on(voter, cohort, jobs[0], jobs[1])
    JobShare.objects.filter(job=jobs[0]).delete()
    html = give_vote(client, session, "tie").content.decode()
    assert "takes no part in the arena any more" in html
    assert "Answers of Emi" not in html
    assert not Vote.objects.exists()


def test_who_left_after_the_vote_is_not_named_any_more(
    client_of: Sign, garden: Class, voter: User
) -> None:
    cohort, jobs = garden
    client = client_of(voter)
    session = duel_on(voter, cohort, jobs[0], jobs[1])
    decide(session)
    JobShare.objects.filter(job=jobs[0]).delete()
    html = duel_page(client, session)
    assert "An adapter that takes no part any more" in html
    assert "Answers of Emi" not in html
    assert "Answers of Fumi" in html


def test_duels_of_others_are_not_there(client_of: Sign, cohort: Cohort, voter: User) -> None:
    session = answered_duel(voter, cohort)
    client = client_of(join(cohort, make_person("dana")))
    address = reverse("chat:arena_duel", args=[session.pk])
    assert client.get(address).status_code == 404
    assert give_vote(client, session, "tie").status_code == 404


def test_the_room_of_a_duel_is_the_arena(client_of: Sign, cohort: Cohort, voter: User) -> None:
    session = answered_duel(voter, cohort)
    answer = client_of(voter).get(reverse("chat:session_detail", args=[session.pk]))
    assert answer["Location"] == reverse("chat:arena_duel", args=[session.pk])


def test_duels_stand_in_no_list_of_chats(client_of: Sign, cohort: Cohort, voter: User) -> None:
    session = answered_duel(voter, cohort)
    html = client_of(voter).get(reverse("chat:session_list")).content.decode()
    assert str(session.pk) not in html


# --- the API ----------------------------------------------------------------------------------------


def test_a_duel_by_the_api_from_question_to_standings(
    client_of: Sign, garden: Class, voter: User
) -> None:
    cohort, _jobs = garden
    client = client_of(voter)
    assert client.get("/api/chat/arena").json()["items"] == [
        {"id": str(cohort.pk), "name": "Garden class"}
    ]
    call = f"/api/chat/arena/{cohort.pk}/duels"
    body = json.dumps({"prompt": "What is a rose?"})
    headers = {"Idempotency-Key": "once"}
    answers = [client.post(call, body, "application/json", headers=headers) for _time in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    duel = answers[0].json()
    session = ChatSession.objects.get(pk=duel["session_id"])
    answer_both(session)
    vote = {"verdict": "tie"}
    path = f"/api/chat/messages/{duel['message_id']}/vote"
    assert client.post(path, vote, "application/json").status_code in (200, 201)
    assert client.get(f"/api/chat/arena/{cohort.pk}").json()["vote_count"] == 0
    assert (
        client.post(f"/api/chat/sessions/{session.pk}/reveal", {}, "application/json").status_code
        == 200
    )
    found = client.get(f"/api/chat/arena/{cohort.pk}").json()
    assert found["vote_count"] == 1
    assert sorted(row["ties"] for row in found["standings"]) == [0, 1, 1]
    assert {row["score"] for row in found["standings"]} == {None}
    assert {row["owner_name"] for row in found["standings"]} == {"Emi", "Fumi", "Goro"}


def test_the_api_tells_scores_with_their_intervals(garden: Class) -> None:
    from chat.tests.test_arena import many_voters, write_votes

    cohort, (emi, fumi, _goro) = garden
    write_votes(cohort, many_voters(cohort, 20), [(emi, fumi)] * 15 + [(fumi, emi)] * 5)
    found = ArenaSchema.of_board(cohort, board_of(read_arena(cohort))).model_dump()
    first = found["standings"][0]
    assert first["name"] == "Answers of Emi"
    assert first["interval"][0] < first["score"] < first["interval"][1]
    assert first["ranks"] in [(1, 1), (1, 2)]
    assert found["standings"][2]["ranks"] is None


# --- talking to what is shared ----------------------------------------------------------------------


def test_a_shared_adapter_is_talked_to_until_sharing_ends(
    client_of: Sign, garden: Class, voter: User
) -> None:
    cohort, jobs = garden
    with pytest.raises(Exception, match="not yours"):
        create_session(voter, job_id=jobs[0].pk)
    set_share(jobs[0].owner, jobs[0], cohort.pk, is_talkable=True, is_in_arena=False)
    session = create_session(voter, job_id=jobs[0].pk, is_compared=False)
    page = client_of(voter).get(reverse("chat:session_detail", args=[session.pk]))
    assert page.status_code == 200
    assert reverse("training:job_detail", args=[jobs[0].pk]) not in page.content.decode()
    set_share(jobs[0].owner, jobs[0], cohort.pk, is_talkable=False, is_in_arena=True)
    with pytest.raises(ConflictError, match="not shared with you any more"):
        send_message(session, text="Who?")
    page = client_of(voter).get(reverse("chat:session_detail", args=[session.pk]))
    assert "not shared with you any more" in page.content.decode()


def test_programs_reach_what_is_shared_and_nothing_else(
    client_of: Sign, garden: Class, voter: User
) -> None:
    from chat.openai_api.catalog import find_model, known_models
    from chat.openai_api.errors import ModelNotFoundError

    cohort, jobs = garden
    name = f"job-{jobs[0].pk}"
    with pytest.raises(ModelNotFoundError):
        find_model(voter, name)
    set_share(jobs[0].owner, jobs[0], cohort.pk, is_talkable=True, is_in_arena=True)
    assert find_model(voter, name) == jobs[0]
    assert name in {model.id for model in known_models(voter)}
    Membership.objects.filter(user=voter).delete()
    with pytest.raises(ModelNotFoundError):
        find_model(voter, name)


def test_the_dataset_of_a_shared_adapter_stays_its_owners(
    client_of: Sign, garden: Class, voter: User
) -> None:
    """Questions from the dataset are offered to its owner only."""
    cohort, jobs = garden
    set_share(jobs[0].owner, jobs[0], cohort.pk, is_talkable=True, is_in_arena=False)
    theirs = create_session(voter, job_id=jobs[0].pk)
    own = create_session(voter, job_id=make_completed_job(voter).pk)
    client = client_of(voter)
    shown = client.get(reverse("chat:session_detail", args=[own.pk])).content.decode()
    assert "Who waters bed" in shown
    hidden = client.get(reverse("chat:session_detail", args=[theirs.pk])).content.decode()
    assert "Who waters bed" not in hidden
