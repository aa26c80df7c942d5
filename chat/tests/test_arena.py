"""Duels and standings of a class: who meets whom, what counts, and what happens when somebody leaves."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Cohort, Membership, User
from chat import lifecycle
from chat.arena.ballots import VOTES_PER_PAIR, ballots_of, outcomes_of
from chat.arena.duels import begin_duel, contestants_of, end_duel, get_duel, open_duel
from chat.arena.entries import entries_of
from chat.arena.plot import MAX_PLOTTED, plot_of
from chat.arena.questions import suggested_questions
from chat.arena.standings import MIN_DUELS, board_of, read_arena
from chat.models import Answerer, ChatSession, Message, PromptSet, Reply, Vote
from chat.services.branching import edit_message, regenerate
from chat.services.purging import DUEL_KEPT, purge_duels
from chat.services.sending import send_message
from chat.services.voting import cast, reveal
from chat.tests.arena_class import (
    answered_duel,
    begin,
    decide,
    duel_on,
    enter,
    join,
    make_class,
)
from chat.tests.factories import finish_reply, start_reply, write_pieces
from common.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    TooManyRequestsError,
)
from training.models import JobShare, TrainingJob
from training.sharing.changing import set_share
from training.tests.factories import make_completed_job, make_person

pytestmark = pytest.mark.django_db
Class = tuple[Cohort, list[TrainingJob]]


@pytest.fixture
def garden() -> Class:
    return make_class("Emi", "Fumi", "Goro")


@pytest.fixture
def cohort(garden: Class) -> Cohort:
    return garden[0]


@pytest.fixture
def voter(cohort: Cohort, student: User) -> User:
    """Has no adapter in the arena."""
    return join(cohort, student)


def jobs_of(session: ChatSession) -> set[uuid.UUID | None]:
    return {answerer.job_id for answerer in session.answerers.all()}


def leave_arena(job: TrainingJob, cohort: Cohort) -> None:
    set_share(job.owner, job, cohort.pk, is_talkable=False, is_in_arena=False)


# --- a duel -----------------------------------------------------------------------------------------


def test_two_adapters_of_classmates_answer_blind_with_equal_settings(
    garden: Class, voter: User
) -> None:
    cohort, jobs = garden
    session = begin(voter, cohort)
    assert (session.kind, session.cohort, session.hides_names) == ("duel", cohort, True)
    assert len(jobs_of(session)) == 2
    assert jobs_of(session) <= {job.pk for job in jobs}
    replies = list(Reply.objects.filter(message__session=session))
    assert len(replies) == 2
    assert replies[0].sampling == replies[1].sampling
    assert replies[0].sampling["temperature"] == 0


def test_nobody_meets_their_own_adapter(garden: Class) -> None:
    cohort, jobs = garden
    emi = jobs[0].owner
    second = enter(cohort, emi, "Another one of Emi's")
    for _time in range(8):
        session = answered_duel(emi, cohort)
        assert jobs_of(session) == {jobs[1].pk, jobs[2].pk}
    assert second.pk not in jobs_of(session)


def test_either_adapter_may_stand_first(garden: Class) -> None:
    cohort, jobs = garden
    draw = random.Random(4)
    firsts = Counter()
    for _time in range(24):
        message = begin_duel(jobs[0].owner, cohort, prompt="Who?", draw=draw)
        firsts[Answerer.objects.get(session=message.session, position=0).job_id] += 1
        message.session.delete()
        _forget_rate()
    assert set(firsts) == {jobs[1].pk, jobs[2].pk}
    assert min(firsts.values()) >= 5


def _forget_rate() -> None:
    """A test sends more in a second than a person does."""
    cache.clear()


def test_a_duel_needs_two_adapters_of_others(garden: Class) -> None:
    cohort, jobs = garden
    leave_arena(jobs[2], cohort)
    with pytest.raises(ConflictError, match="two adapters of classmates"):
        begin_duel(jobs[0].owner, cohort, prompt="Who?")
    assert not ChatSession.objects.exists()


def test_observers_see_and_do_not_vote(cohort: Cohort) -> None:
    observer = join(cohort, make_person("dana"), "observer")
    with pytest.raises(ForbiddenError, match="look on"):
        begin_duel(observer, cohort, prompt="Who?")
    with pytest.raises(ForbiddenError):
        begin_duel(make_person("stranger"), cohort, prompt="Who?")


def test_a_question_that_is_refused_leaves_no_duel(
    cohort: Cohort, voter: User, settings: LazySettings
) -> None:
    with pytest.raises(InvalidInputError):
        begin_duel(voter, cohort, prompt="  ")
    settings.CHAT_WAITING_PER_OWNER = 1
    with pytest.raises(TooManyRequestsError):
        begin_duel(voter, cohort, prompt="Who?")
    assert not ChatSession.objects.exists()


def test_a_duel_takes_no_second_question_and_no_second_take(cohort: Cohort, voter: User) -> None:
    session = answered_duel(voter, cohort)
    message = session.messages.get()
    message.session = session
    reply = message.replies.first()
    assert reply is not None
    reply.message = message
    for again in (
        lambda: send_message(session, text="And now?"),
        lambda: edit_message(message, text="Or so?"),
        lambda: regenerate(reply),
    ):
        with pytest.raises(ConflictError, match="one question"):
            again()
    assert Message.objects.count() == 1


def test_a_vote_ends_the_duel_and_tells_the_names(garden: Class, voter: User) -> None:
    cohort, jobs = garden
    session = duel_on(voter, cohort, jobs[1], jobs[0])
    vote = decide(session, winner=jobs[0])
    assert (vote.verdict, vote.was_blind) == ("better", True)
    session.refresh_from_db()
    assert not session.hides_names
    first, second = contestants_of(get_duel(voter, session.pk))
    assert (first.letter, first.name, first.owner_name) == ("A", "Answers of Fumi", "Fumi")
    assert (second.name, second.is_winner, first.is_winner) == ("Answers of Emi", True, False)
    with pytest.raises(ConflictError):
        decide(get_duel(voter, session.pk), verdict="tie")
    assert Vote.objects.get().verdict == "better"


def test_no_vote_before_both_answers_are_there(cohort: Cohort, voter: User) -> None:
    session = begin(voter, cohort)
    with pytest.raises(ConflictError):
        decide(session, verdict="tie")
    session.refresh_from_db()
    assert session.hides_names
    assert not Vote.objects.exists()


def test_a_vote_names_one_of_the_two(cohort: Cohort, voter: User) -> None:
    session = answered_duel(voter, cohort)
    with pytest.raises(InvalidInputError):
        end_duel(session, verdict="better", winner_id=uuid.uuid4())
    with pytest.raises(InvalidInputError):
        decide(session, verdict="best of all")


def test_a_duel_is_its_voters_own(cohort: Cohort, voter: User) -> None:
    session = begin(voter, cohort)
    assert get_duel(voter, session.pk) == session
    with pytest.raises(NotFoundError):
        get_duel(make_person("dana"), session.pk)


def test_the_last_duel_waits_for_its_vote(cohort: Cohort, voter: User) -> None:
    assert open_duel(voter, cohort) is None
    session = answered_duel(voter, cohort)
    assert open_duel(voter, cohort) == session
    decide(session)
    assert open_duel(voter, cohort) is None


# --- somebody leaves --------------------------------------------------------------------------------


def test_who_leaves_in_the_middle_of_a_duel_ends_it_unnamed(garden: Class, voter: User) -> None:
    cohort, jobs = garden
    session = duel_on(voter, cohort, jobs[0], jobs[1])
    leave_arena(jobs[0], cohort)
    with pytest.raises(ConflictError, match="takes no part"):
        decide(get_duel(voter, session.pk), winner=jobs[1])
    assert not Vote.objects.exists()
    reveal(session, is_vote_needed=False)
    first, second = contestants_of(get_duel(voter, session.pk))
    assert (first.name, first.owner_name) == ("", "")
    assert second.name == "Answers of Fumi"


@pytest.mark.parametrize("how", ["share", "membership", "job", "base"])
def test_who_is_gone_stands_in_no_standings(garden: Class, voter: User, how: str) -> None:
    cohort, jobs = garden
    decide(duel_on(voter, cohort, jobs[0], jobs[1]), winner=jobs[0])
    decide(duel_on(voter, cohort, jobs[1], jobs[2]), winner=jobs[1])
    match how:
        case "share":
            JobShare.objects.filter(job=jobs[0]).delete()
        case "membership":
            Membership.objects.filter(user=jobs[0].owner).delete()
        case "job":
            jobs[0].delete()
        case "base":
            base = jobs[0].base_model
            base.pk, base.name = None, "withdrawn"
            base.is_enabled = False
            base.save(force_insert=True)
            TrainingJob.objects.filter(pk=jobs[0].pk).update(base_model=base)
    board = board_of(read_arena(cohort))
    assert {standing.entry.name for standing in board.standings} == {
        "Answers of Fumi",
        "Answers of Goro",
    }
    assert board.vote_count == 1


def test_who_comes_back_has_the_old_duels_again(garden: Class, voter: User) -> None:
    cohort, jobs = garden
    decide(duel_on(voter, cohort, jobs[0], jobs[1]), winner=jobs[0])
    leave_arena(jobs[0], cohort)
    assert read_arena(cohort).ballots == []
    set_share(jobs[0].owner, jobs[0], cohort.pk, is_talkable=True, is_in_arena=True)
    assert len(read_arena(cohort).ballots) == 1


# --- what counts ------------------------------------------------------------------------------------


def test_only_blind_votes_of_revealed_duels_count(garden: Class, voter: User) -> None:
    cohort, jobs = garden
    early = duel_on(voter, cohort, jobs[0], jobs[1])
    cast(early.messages.get(), "tie")
    assert read_arena(cohort).ballots == []
    reveal(early)
    assert len(read_arena(cohort).ballots) == 1
    Vote.objects.update(was_blind=False)
    assert read_arena(cohort).ballots == []


def test_a_vote_on_an_own_adapter_never_counts(garden: Class) -> None:
    """It can not be given; were there one all the same, it would not count."""
    cohort, jobs = garden
    decide(duel_on(jobs[0].owner, cohort, jobs[0], jobs[1]), winner=jobs[0])
    assert read_arena(cohort).ballots == []


def test_a_duel_with_a_stopped_answer_does_not_count(garden: Class, voter: User) -> None:
    cohort, jobs = garden
    session = begin(voter, cohort)
    first, second = session.messages.get().replies.order_by("answerer__position")
    lease = start_reply(first)
    write_pieces(lease, ["Half of"])
    lifecycle.finish_cancelled(lease)
    lease = start_reply(second)
    write_pieces(lease, ["All of it."])
    finish_reply(lease)
    cast(session.messages.get(), "tie")
    reveal(session)
    assert read_arena(cohort).ballots == []


def test_none_is_good_counts_for_neither_and_is_told(garden: Class, voter: User) -> None:
    cohort, jobs = garden
    decide(duel_on(voter, cohort, jobs[0], jobs[1]), verdict="none")
    found = read_arena(cohort)
    assert found.outcomes == ()
    tallies = {row.entry.name: (row.duels, row.none_good) for row in board_of(found).standings}
    assert tallies["Answers of Emi"] == tallies["Answers of Fumi"] == (0, 1)
    assert tallies["Answers of Goro"] == (0, 0)


def test_many_votes_of_one_person_on_one_pair_weigh_as_three(garden: Class, voter: User) -> None:
    cohort, jobs = garden
    for number in range(5):
        _forget_rate()
        decide(duel_on(voter, cohort, jobs[0], jobs[1]), winner=jobs[0 if number < 4 else 1])
    _forget_rate()
    decide(duel_on(jobs[2].owner, cohort, jobs[1], jobs[0]), winner=jobs[1])
    (outcome,) = outcomes_of(ballots_of(cohort, entries_of(cohort)))
    assert outcome.low_wins == pytest.approx(4 * VOTES_PER_PAIR / 5, abs=1e-5)
    assert outcome.high_wins == pytest.approx(VOTES_PER_PAIR / 5 + 1, abs=1e-5)


def test_duels_of_other_classes_are_not_read(garden: Class, voter: User) -> None:
    cohort, jobs = garden
    other = Cohort.objects.create(name="Rose club")
    for job in jobs:
        join(other, job.owner)
        set_share(job.owner, job, other.pk, is_talkable=False, is_in_arena=True)
    decide(duel_on(voter, cohort, jobs[0], jobs[1]), winner=jobs[0])
    assert len(read_arena(cohort).ballots) == 1
    assert read_arena(other).ballots == []


# --- standings --------------------------------------------------------------------------------------


def write_votes(
    cohort: Cohort, voters: list[User], rows: list[tuple[TrainingJob, TrainingJob]]
) -> None:
    """Ended duels, written straight into the tables: each pair was won by its first; voters in turn."""
    now = timezone.now()
    sessions, answerers, messages, replies, votes = [], [], [], [], []
    for number, pair in enumerate(rows):
        session = ChatSession(
            owner=voters[number % len(voters)],
            name="duel",
            kind="duel",
            cohort=cohort,
            is_blind=True,
            revealed_at=now,
        )
        pairs = [
            Answerer(
                session=session,
                position=position,
                kind="tuned",
                label=job.name,
                job=job,
                base_model_id=job.base_model_id,
            )
            for position, job in enumerate(pair)
        ]
        message = Message(session=session, text="?")
        sessions.append(session)
        answerers += pairs
        messages.append(message)
        replies += [Reply(message=message, answerer=row, status="completed") for row in pairs]
        votes.append(Vote(message=message, verdict="better", winner=pairs[0], was_blind=True))
    for rows_of in (sessions, answerers, messages, replies, votes):
        type(rows_of[0]).objects.bulk_create(rows_of, batch_size=500)


def many_voters(cohort: Cohort, count: int) -> list[User]:
    people = User.objects.bulk_create([User(username=f"voter{index}") for index in range(count)])
    Membership.objects.bulk_create([Membership(cohort=cohort, user=person) for person in people])
    return people


def test_under_the_least_number_of_duels_there_is_no_rank(garden: Class) -> None:
    cohort, (emi, fumi, goro) = garden
    voters = many_voters(cohort, 20)
    write_votes(cohort, voters, [(emi, fumi)] * (MIN_DUELS - 1) + [(fumi, goro)])
    board = board_of(read_arena(cohort))
    assert board.ranked == []
    assert plot_of(board.ranked) is None
    missing = {row.entry.name: row.missing_duels for row in board.standings}
    assert missing == {
        "Answers of Emi": 1,
        "Answers of Fumi": 0,
        "Answers of Goro": MIN_DUELS - 1,
    }
    write_votes(cohort, voters[-2:], [(emi, fumi)])
    board = board_of(read_arena(cohort))
    assert [row.entry.name for row in board.ranked] == ["Answers of Emi", "Answers of Fumi"]
    assert board.standings[-1].rank is None


def test_the_better_stand_first_with_ranks_that_the_votes_allow(garden: Class) -> None:
    cohort, (emi, fumi, goro) = garden
    pairs = [(emi, fumi)] * 36 + [(fumi, emi)] * 4
    pairs += [(fumi, goro)] * 20 + [(goro, fumi)] * 20 + [(emi, goro)] * 36 + [(goro, emi)] * 4
    write_votes(cohort, many_voters(cohort, 40), pairs)
    board = board_of(read_arena(cohort))
    best = board.standings[0]
    assert best.entry.name == "Answers of Emi"
    assert best.rank is not None
    assert (best.rank.best, best.rank.worst, best.rank.is_exact) == (1, 1, True)
    assert (best.duels, best.wins) == (80, 72)
    for row in board.standings[1:]:
        assert row.rank is not None
        assert (row.rank.best, row.rank.worst) == (2, 3)
        assert row.rank.low < row.rank.score < row.rank.high < best.rank.low
    scores = [row.rank.score for row in board.ranked if row.rank]
    assert sum(scores) / 3 == pytest.approx(1000, abs=1)


def test_classes_that_never_met_are_not_compared(garden: Class) -> None:
    cohort, (emi, fumi, goro) = garden
    dana = enter(cohort, join(cohort, make_person("dana")), "Answers of Dana")
    write_votes(cohort, many_voters(cohort, 30), [(emi, fumi)] * 12 + [(goro, dana)] * 12)
    board = board_of(read_arena(cohort))
    assert len(board.ranked) == 2
    apart = [row for row in board.standings if row.rank is None]
    assert [row.missing_duels for row in apart] == [0, 0]


def test_the_picture_shows_every_interval_inside_its_frame(garden: Class) -> None:
    cohort, (emi, fumi, goro) = garden
    write_votes(cohort, many_voters(cohort, 30), [(emi, fumi), (fumi, goro), (goro, emi)] * 10)
    plot = plot_of(board_of(read_arena(cohort)).ranked)
    assert plot is not None
    assert len(plot.rows) == 3
    for row in plot.rows:
        low, score, high = (float(text[:-1]) for text in (row.low, row.score, row.high))
        assert 0 <= low < score < high <= 100
    assert "Answers of Emi" in plot.description
    ranked = board_of(read_arena(cohort)).ranked
    many = plot_of(ranked * MAX_PLOTTED)
    assert many is not None
    assert len(many.rows) == MAX_PLOTTED


def test_sixty_adapters_and_five_thousand_votes_take_four_queries(garden: Class) -> None:
    cohort, jobs = garden
    version = jobs[0].dataset_version
    people = many_voters(cohort, 60)
    entries = list(jobs)
    for person in people[:57]:
        job = make_completed_job(person, name=f"Of {person}", dataset_version=version)
        JobShare.objects.create(job=job, cohort=cohort, is_in_arena=True)
        entries.append(job)
    draw = random.Random(2)
    write_votes(cohort, people, [tuple(draw.sample(entries, 2)) for _vote in range(5_000)])
    with CaptureQueriesContext(connection) as queries:
        read_arena(cohort)
    assert len(queries) == 4
    assert len(board_of(read_arena(cohort)).ranked) == 60


# --- what is left -----------------------------------------------------------------------------------


def test_old_duels_without_a_vote_are_purged(garden: Class, cohort: Cohort, voter: User) -> None:
    decided = answered_duel(voter, cohort)
    decide(decided)
    answered_duel(voter, cohort)
    waiting = begin(voter, cohort)
    old = timezone.now() - DUEL_KEPT - timedelta(hours=1)
    ChatSession.objects.update(created_at=old)
    fresh = answered_duel(voter, cohort)
    assert purge_duels() == 1
    # What counts stays, and so does what is still being answered.
    kept = {decided.pk, waiting.pk, fresh.pk}
    assert set(ChatSession.objects.values_list("pk", flat=True)) == kept
    assert len(read_arena(cohort).ballots) == 1


# --- questions --------------------------------------------------------------------------------------


def test_questions_come_from_the_entries_and_from_own_prompt_sets(
    garden: Class, voter: User
) -> None:
    cohort, jobs = garden
    TrainingJob.objects.filter(pk=jobs[0].pk).update(sample_prompts=["Who waters?", "x" * 500])
    stranger = make_person("dana")
    for owner, prompt in ((voter, "What is a rose?"), (stranger, "A secret of Dana's?")):
        PromptSet.objects.create(
            owner=owner, name="Set", digest="0", items=[{"prompt": prompt, "reference": ""}]
        )
    found = suggested_questions(voter, entries_of(cohort), random.Random(1))
    assert set(found) == {"Who waters?", "What is a rose?"}
