"""Chats, votes, corrections and prompt sets. Votes are cast without a look at the answers."""

from __future__ import annotations

from chat.models import ChatSession, Message, PromptRun, Reply
from chat.selectors import ACTIVE
from chat.services.collecting import add_to_dataset
from chat.services.judging import correct
from chat.services.opening import JOB_PREFIX, create_session
from chat.services.prompt_runs import RunOrder, start_run
from chat.services.sending import send_message
from chat.services.voting import cast
from courses.catalogue.schema import Check
from courses.checks.params import ChatPairs, ChatVotes
from courses.solving.student import ReferenceStudent, UnsolvableError, wait
from courses.starter import starter_records

SAMPLING = {"temperature": 0, "max_tokens": 32}


def talk(student: ReferenceStudent, check: Check) -> None:
    wanted = check.wanted
    assert isinstance(wanted, ChatPairs)
    session = create_session(
        student.enrolment.user, job_id=student.newest_job.pk, is_compared=True, settings=SAMPLING
    )
    for question in _questions(student, wanted.min):
        _put(session, question)


def vote(student: ReferenceStudent, check: Check) -> None:
    wanted = check.wanted
    assert isinstance(wanted, ChatVotes)
    session = create_session(
        student.enrolment.user, models=_models(student), is_blind=wanted.blind, settings=SAMPLING
    )
    for question in _questions(student, wanted.min):
        cast(_put(session, question), "tie")


def correct_answer(student: ReferenceStudent, check: Check) -> None:
    """To a question of the hidden kind: asked in other words than any set has it."""
    user = student.enrolment.user
    session = create_session(user, job_id=student.newest_job.pk, settings=SAMPLING)
    pair = starter_records(student.level, "train", student.language)[0]
    message = _put(session, f"{pair['instruction']} {pair['instruction']}")
    reply = correct(message.replies.get(), f"{pair['output']} {pair['output']}")
    add_to_dataset(user, reply, student.own_dataset.pk)


def put_prompts(student: ReferenceStudent, check: Check) -> None:
    order = RunOrder(
        models=_models(student),
        course_id=f"level-{student.level}-eval",
        settings={"max_tokens": SAMPLING["max_tokens"]},
    )
    run = start_run(student.enrolment.user, order)

    def is_over() -> bool:
        run.refresh_from_db()
        return run.state != PromptRun.State.RUNNING

    wait(is_over)


def _put(session: ChatSession, question: str) -> Message:
    session.refresh_from_db()
    message = send_message(session, text=question)

    def is_over() -> bool:
        return not message.replies.filter(status__in=ACTIVE).exists()

    wait(is_over)
    if message.replies.exclude(status=Reply.Status.COMPLETED).exists():
        raise UnsolvableError(f"no answer came to “{question}”")
    return message


def _questions(student: ReferenceStudent, count: int) -> list[str]:
    records = starter_records(student.level, "eval", student.language)
    return [record["instruction"] for record in records[:count]]


def _models(student: ReferenceStudent) -> list[str]:
    return [f"{JOB_PREFIX}{student.best_job.pk}", student.base_model]
