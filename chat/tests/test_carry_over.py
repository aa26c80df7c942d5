"""Conversations with one tuned model and perhaps its base model become answerers and a branch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from training.tests.factories import make_base_model, make_completed_job

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [("chat", "0001_initial")]
AFTER = [("chat", "0004_one_model_no_more")]


@pytest.fixture(autouse=True)
def newest_tables(transactional_db: None) -> Iterator[None]:
    """The tests that come after this one in the same process find all columns."""
    yield
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())


def migrate(target: list[tuple[str, str]]) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate(target)
    return MigrationExecutor(connection).loader.project_state(target).apps


def test_models_messages_and_replies_find_their_places(student: User) -> None:
    job = make_completed_job(student)
    base_model = make_base_model()
    old = migrate(BEFORE)
    try:
        compared = old.get_model("chat", "ChatSession").objects.create(
            owner_id=student.pk, name="Both", job_id=job.pk, is_compared=True
        )
        plain = old.get_model("chat", "ChatSession").objects.create(
            owner_id=student.pk, name="Base", base_model_id=base_model.pk
        )
        message_model, reply_model = (old.get_model("chat", name) for name in ("Message", "Reply"))
        first, second = (
            message_model.objects.create(session=compared, text=text) for text in ("One", "Two")
        )
        for message in (first, second):
            for target in ("tuned", "base"):
                reply_model.objects.create(message=message, target=target, text=target)
    finally:
        new = migrate(AFTER)
    session = new.get_model("chat", "ChatSession").objects.get(pk=compared.pk)
    answerers = list(session.answerers.order_by("position"))
    assert [(row.kind, row.label, row.job_id) for row in answerers] == [
        ("tuned", job.name, job.pk),
        ("base", job.base_model.name, None),
    ]
    assert session.head_id == second.pk
    assert session.head.parent_id == first.pk
    assert session.head.parent.parent_id is None
    replies = new.get_model("chat", "Reply").objects
    assert replies.count() == 4
    assert all(row.answerer.kind == row.text for row in replies.select_related("answerer"))
    only = new.get_model("chat", "ChatSession").objects.get(pk=plain.pk).answerers.get()
    assert (only.kind, only.base_model_id) == ("base", base_model.pk)
