"""The patrol takes back what lost workers held, and finds what nobody was told of."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from django.conf import LazySettings

from accounts.models import User
from chat.execution import close_desk, desk
from chat.models import Reply
from chat.tests.factories import make_base_session, make_message, reply_of, start_reply
from llmlora_site.patrol import Patrol
from modelhub.execution import close_engine, engine
from modelhub.models import BaseModel
from training import lifecycle
from training.lifecycle import Progress
from training.models import TrainingJob
from training.tests.factories import make_running_job

pytestmark = pytest.mark.django_db


def test_a_job_whose_lease_stands_still_goes_back_to_the_queue(
    student: User, settings: LazySettings
) -> None:
    settings.LEASE_SECONDS = 0
    job, _ = make_running_job(student)
    patrol = Patrol("observer")
    patrol.reap()
    assert TrainingJob.objects.get(pk=job.pk).status == TrainingJob.Status.PENDING


def test_a_job_whose_lease_moves_is_left_alone(student: User, settings: LazySettings) -> None:
    settings.LEASE_SECONDS = 3600
    job, lease = make_running_job(student)
    patrol = Patrol("observer")
    patrol.reap()
    lifecycle.record(lease, Progress())
    patrol.reap()
    assert TrainingJob.objects.get(pk=job.pk).status == TrainingJob.Status.RUNNING


def test_a_worker_takes_back_what_its_last_life_left_running(student: User) -> None:
    job, _ = make_running_job(student)
    reply = reply_of(make_message(make_base_session(student)))
    start_reply(reply)
    Patrol("test-worker").take_back_own()
    assert TrainingJob.objects.get(pk=job.pk).status == TrainingJob.Status.PENDING
    reply.refresh_from_db()
    assert (reply.status, reply.error_code) == (Reply.Status.FAILED, "worker_stopped")


@pytest.mark.django_db(transaction=True)
def test_an_engine_that_died_idle_is_started_again() -> None:
    """Nobody asked it for work, so nobody noticed: the worker would stand there as starting for ever."""
    patrol = Patrol("observer")
    try:
        patrol.keep_engine()
        first = engine().pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        while engine().is_alive:
            threading.Event().wait(0.02)
        patrol.keep_engine()
        assert engine().pid not in (None, first)
    finally:
        close_engine()


@pytest.mark.django_db(transaction=True)
def test_a_reply_that_was_not_poked_is_found(student: User) -> None:
    reply = reply_of(make_message(make_base_session(student)))
    # No such folder is on this host, which the worker that takes the reply says.
    BaseModel.objects.update(source=BaseModel.Source.LOCAL)
    patrol = Patrol("observer")
    try:
        patrol._find_unpoked()
        assert desk().wait_idle(10)
    finally:
        close_desk()
        patrol._pool.shutdown()
    reply.refresh_from_db()
    assert (reply.status, reply.error_code) == (Reply.Status.FAILED, "unsupported_model")


def test_jobs_take_no_thread_that_other_work_needs(settings: LazySettings) -> None:
    settings.JOBS_PER_DEVICE = 7
    patrol = Patrol("observer")
    job_is_over, is_done = threading.Event(), threading.Event()
    for _job in range(settings.JOBS_PER_DEVICE):
        patrol._submit(job_is_over.wait)
    patrol._submit(is_done.set)
    assert is_done.wait(5)
    job_is_over.set()
    patrol._pool.shutdown()
