"""A class whose students let their adapters take part in the arena, and duels that have ended."""

from __future__ import annotations

from accounts.models import Cohort, Membership, User
from chat.arena.duels import begin_duel, end_duel
from chat.models import Answerer, ChatSession, Vote
from chat.selectors import get_session
from chat.tests.factories import finish_reply, start_reply, write_pieces
from training.models import TrainingJob
from training.sharing.changing import set_share
from training.tests.factories import make_completed_job, make_person


def join(cohort: Cohort, user: User, role: str = "student") -> User:
    Membership.objects.create(cohort=cohort, user=user, role=role)
    return user


def enter(cohort: Cohort, owner: User, name: str, **changes: object) -> TrainingJob:
    """A job of the person whose adapter takes part."""
    job = make_completed_job(owner, name=name, **changes)
    set_share(owner, job, cohort.pk, is_talkable=False, is_in_arena=True)
    return job


def make_class(*names: str, cohort_name: str = "Garden class") -> tuple[Cohort, list[TrainingJob]]:
    """A student with one adapter for each name."""
    cohort = Cohort.objects.create(name=cohort_name)
    people = [join(cohort, make_person(name.lower(), display_name=name)) for name in names]
    jobs = [
        enter(cohort, person, f"Answers of {name}")
        for person, name in zip(people, names, strict=True)
    ]
    return cohort, jobs


def begin(voter: User, cohort: Cohort, prompt: str = "What is a rose?") -> ChatSession:
    message = begin_duel(voter, cohort, prompt=prompt)
    return get_session(voter, message.session_id)


def answer_both(session: ChatSession) -> None:
    """Complete replies, as a worker writes them."""
    for reply in session.messages.get().replies.order_by("answerer__position"):
        lease = start_reply(reply)
        write_pieces(lease, [f"Answer {reply.answerer.position}."])
        finish_reply(lease)


def answered_duel(voter: User, cohort: Cohort) -> ChatSession:
    session = begin(voter, cohort)
    answer_both(session)
    return session


def duel_on(voter: User, cohort: Cohort, first: TrainingJob, second: TrainingJob) -> ChatSession:
    """An answered duel of two given adapters."""
    session = answered_duel(voter, cohort)
    for position, job in enumerate((first, second)):
        Answerer.objects.filter(session=session, position=position).update(
            job=job, label=job.name, base_model=job.base_model
        )
    return get_session(voter, session.pk)


def decide(session: ChatSession, winner: TrainingJob | None = None, verdict: str = "") -> Vote:
    """End it for one of its adapters, or with another verdict."""
    if winner is None:
        return end_duel(session, verdict=verdict or Vote.Verdict.TIE)
    answerer = next(row for row in session.answerers.all() if row.job_id == winner.pk)
    return end_duel(session, verdict=Vote.Verdict.BETTER, winner_id=answerer.pk)
