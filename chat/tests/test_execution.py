"""A waiting reply becomes text through the real engine process, on a tiny model."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import User
from chat import execution, services
from chat.models import ChatSession, Reply
from common import storage
from engine.tests.factories import make_tiny_base_model
from modelhub.execution import close_engine
from modelhub.models import BaseModel
from modelhub.services import sync_base_models
from training.execution import run_waiting_jobs
from training.models import Adapter
from training.tests.factories import make_training_job

pytestmark = pytest.mark.django_db(transaction=True)
GREEDY = {"temperature": 0, "max_tokens": 8}


@pytest.fixture(scope="module", autouse=True)
def _engine() -> Iterator[None]:
    make_tiny_base_model(settings.LLMLORA_HOME.local_models / "tiny")
    yield
    close_engine()


@pytest.fixture
def compared(student: User) -> ChatSession:
    """A chat with a really trained adapter, beside its base model."""
    sync_base_models()
    tiny = BaseModel.objects.get(name="tiny")
    config = {"num_epochs": 20, "batch_size": 12, "max_length": 128, "learning_rate": 2e-2}
    job = make_training_job(
        student, base_model=tiny, lora_config={"r": 8, "alpha": 16}, training_config=config
    )
    run_waiting_jobs("worker")
    return services.create_session(student, job_id=job.pk, is_compared=True)


def answer_all(session: ChatSession, text: str, **sampling: object) -> dict[str, Reply]:
    message = services.send_message(session, text=text, sampling=GREEDY | sampling)
    for reply in message.replies.all():
        execution.answer(str(reply.pk), "worker")
    return {reply.target: reply for reply in message.replies.all()}


def test_tuned_and_base_answer_the_same_message_from_one_resident_model(
    compared: ChatSession,
) -> None:
    replies = answer_all(compared, "Who waters bed 3?")
    assert {reply.status for reply in replies.values()} == {Reply.Status.COMPLETED}
    assert all(reply.usage["completion_tokens"] > 0 for reply in replies.values())
    assert replies["tuned"].text != replies["base"].text
    again = answer_all(
        services.create_session(compared.owner, job_id=compared.main.job_id, is_compared=True),
        "Who waters bed 3?",
    )
    assert {target: reply.text for target, reply in again.items()} == {
        target: reply.text for target, reply in replies.items()
    }


def test_a_reply_is_answered_once(compared: ChatSession) -> None:
    replies = answer_all(compared, "Who waters bed 3?")
    text = replies["tuned"].text
    execution.answer(str(replies["tuned"].pk), "other worker")
    replies["tuned"].refresh_from_db()
    assert (replies["tuned"].text, replies["tuned"].attempt) == (text, 1)


def test_stop_keeps_the_text_so_far(student: User) -> None:
    # With this seed the untouched tiny model talks for about 1,400 tokens before it stops by itself.
    make_tiny_base_model(settings.LLMLORA_HOME.local_models / "tiny-long", context_length=8192)
    sync_base_models()
    session = services.create_session(student, model_name="tiny-long")
    sampling = {"temperature": 2, "max_tokens": 4096, "seed": 1}
    reply = services.send_message(session, text="Go on.", sampling=sampling).replies.get()

    def run() -> None:
        try:
            execution.answer(str(reply.pk), "worker")
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    waiter = threading.Event()
    while not Reply.objects.filter(pk=reply.pk).exclude(text="").exists():
        waiter.wait(0.01)
    services.cancel_replies(session)
    thread.join()
    reply.refresh_from_db()
    assert (reply.status, reply.finish_reason) == (Reply.Status.CANCELLED, "cancelled")
    assert reply.text


def test_missing_adapter_files_are_a_failure_in_words_and_the_next_chat_works(
    compared: ChatSession,
) -> None:
    assert compared.main.job is not None
    storage.delete_prefix(compared.main.job.adapter.prefix)
    # A digest that no cache on this host knows, so that the files are needed.
    Adapter.objects.filter(job=compared.main.job).update(digest="f" * 64)
    replies = answer_all(compared, "Who waters bed 3?")
    assert (replies["tuned"].status, replies["tuned"].error_code) == (
        Reply.Status.FAILED,
        "adapter_unusable",
    )
    assert replies["base"].status == Reply.Status.COMPLETED


def test_a_conversation_longer_than_the_context_is_refused_in_words(compared: ChatSession) -> None:
    replies = answer_all(compared, "word " * 400)
    assert {reply.error_code for reply in replies.values()} == {"prompt_too_long"}
