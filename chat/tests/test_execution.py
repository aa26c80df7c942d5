"""A waiting reply becomes text through the real engine process, on a tiny model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings

from accounts.models import User
from chat.execution.desks import Desk
from chat.models import ChatSession, Reply
from chat.services.opening import create_session
from chat.services.sending import send_message
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
def desk() -> Iterator[Desk]:
    desk = Desk("worker")
    desk.start()
    yield desk
    desk.close(10)


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
    return create_session(student, job_id=job.pk, is_compared=True)


def answer_all(desk: Desk, session: ChatSession, text: str, **sampling: object) -> dict[str, Reply]:
    message = send_message(session, text=text, sampling=GREEDY | sampling)
    desk.wake()
    assert desk.wait_idle(60)
    return {reply.target: reply for reply in message.replies.all()}


def test_tuned_and_base_answer_the_same_message_from_one_resident_model(
    desk: Desk, compared: ChatSession
) -> None:
    replies = answer_all(desk, compared, "Who waters bed 3?")
    assert {reply.status for reply in replies.values()} == {Reply.Status.COMPLETED}
    assert all(reply.usage["completion_tokens"] > 0 for reply in replies.values())
    assert replies["tuned"].text != replies["base"].text
    again = answer_all(
        desk,
        create_session(compared.owner, job_id=compared.main.job_id, is_compared=True),
        "Who waters bed 3?",
    )
    assert {target: reply.text for target, reply in again.items()} == {
        target: reply.text for target, reply in replies.items()
    }


def test_a_reply_is_answered_once(desk: Desk, compared: ChatSession) -> None:
    replies = answer_all(desk, compared, "Who waters bed 3?")
    text = replies["tuned"].text
    desk.wake()
    assert desk.wait_idle(60)
    replies["tuned"].refresh_from_db()
    assert (replies["tuned"].text, replies["tuned"].attempt) == (text, 1)


def test_missing_adapter_files_are_a_failure_in_words_and_the_next_chat_works(
    desk: Desk, compared: ChatSession
) -> None:
    assert compared.main.job is not None
    storage.delete_prefix(compared.main.job.adapter.prefix)
    # A digest that no cache on this host knows, so that the files are needed.
    Adapter.objects.filter(job=compared.main.job).update(digest="f" * 64)
    replies = answer_all(desk, compared, "Who waters bed 3?")
    assert (replies["tuned"].status, replies["tuned"].error_code) == (
        Reply.Status.FAILED,
        "adapter_unusable",
    )
    assert replies["base"].status == Reply.Status.COMPLETED


def test_a_conversation_longer_than_the_context_is_refused_in_words(
    desk: Desk, compared: ChatSession
) -> None:
    replies = answer_all(desk, compared, "word " * 400)
    assert {reply.error_code for reply in replies.values()} == {"prompt_too_long"}


def test_a_conversation_is_remembered_by_the_engine(desk: Desk, compared: ChatSession) -> None:
    first = answer_all(desk, compared, "Who waters bed 3?")
    second = answer_all(desk, compared, "And bed 4?")
    for target, reply in second.items():
        assert first[target].usage["cached_tokens"] == 0
        assert reply.usage["cached_tokens"] > 0


def test_probabilities_are_kept_where_they_were_asked_for(desk: Desk, student: User) -> None:
    sync_base_models()
    session = create_session(student, model_name="tiny")
    sampling = {"temperature": 2, "seed": 1, "max_tokens": 5}
    plain = answer_all(desk, session, "Who?", **sampling)["base"]
    told = answer_all(desk, session, "Who?", **sampling, logprobs=2)["base"]
    assert plain.logprobs is None
    assert told.logprobs is not None
    assert [len(entry["top"]) for entry in told.logprobs] == [2] * 5
    assert all(entry["logprob"] < 0 for entry in told.logprobs)
