"""Two to four models side by side: what may be compared, what each is called, all answering again, differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Cohort, Membership, User
from chat.fragments import suggestions
from chat.models import Answerer, ChatSession, Message, Reply
from chat.services.branching import choose_take, regenerate_all, show_branch
from chat.services.opening import create_session
from chat.tests.comparisons import answer_all, make_comparison
from chat.tests.factories import make_base_session, make_message, make_tuned_session
from common.errors import ConflictError, InvalidInputError, NotFoundError
from modelhub.models import BaseModel
from training.models import JobShare, TrainingJob
from training.tests.factories import make_base_model, make_completed_job, make_training_job

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def _named(job: TrainingJob) -> str:
    return f"job-{job.pk}"


# --- what may be compared ------------------------------------------------------------------------------


def test_models_of_any_kind_stand_side_by_side_in_the_order_that_was_asked(student: User) -> None:
    jobs = [make_completed_job(student, name=name) for name in ("Garden", "Weather")]
    base = make_base_model()
    names = [_named(jobs[0]), base.name, _named(jobs[1])]
    session = create_session(student, models=names)
    assert [row.label for row in session.answerers.all()] == ["Garden", base.name, "Weather"]
    assert session.name == f"Garden · {base.name} · Weather"
    assert not session.is_blind


def test_two_jobs_of_one_name_are_told_apart(student: User) -> None:
    jobs = [make_completed_job(student, name="Garden") for _number in range(3)]
    session = create_session(student, models=[_named(job) for job in jobs])
    assert [row.label for row in session.answerers.all()] == ["Garden", "Garden (2)", "Garden (3)"]


@pytest.mark.parametrize(
    ("count", "sentence"), [(0, "at least 2"), (1, "at least 2"), (5, "you chose 5")]
)
def test_too_few_or_too_many_are_refused(student: User, count: int, sentence: str) -> None:
    names = [_named(make_completed_job(student)) for _number in range(count)]
    with pytest.raises(InvalidInputError, match=sentence) as refused:
        create_session(student, models=names)
    assert refused.value.faults[0].field == "models"


def test_the_same_model_twice_is_refused(student: User) -> None:
    job, base = make_completed_job(student), make_base_model()
    for name in (_named(job), base.name):
        with pytest.raises(InvalidInputError, match="twice"):
            create_session(student, models=[name, name])


def test_one_model_alone_can_not_be_blind(student: User) -> None:
    with pytest.raises(InvalidInputError, match="can not be hidden") as refused:
        create_session(student, model_name=make_base_model().name, is_blind=True)
    assert refused.value.faults[0].field == "is_blind"


def test_models_go_with_no_other_choice(student: User) -> None:
    names = [make_base_model().name, _named(make_completed_job(student))]
    with pytest.raises(InvalidInputError, match="exactly one"):
        create_session(student, models=names, model_name=names[0])


def test_models_of_strangers_and_unfinished_ones_are_not_compared(
    student: User, other_student: User
) -> None:
    base = make_base_model()
    with pytest.raises(NotFoundError):
        create_session(student, models=[base.name, _named(make_completed_job(other_student))])
    with pytest.raises(ConflictError):
        create_session(student, models=[base.name, _named(make_training_job(student))])
    assert not ChatSession.objects.exists()


# --- the pages ----------------------------------------------------------------------------------------


def test_models_are_chosen_in_groups(
    student: User, other_student: User, client_of: SignIn, django_assert_max_num_queries: Any
) -> None:
    own = make_completed_job(student, name="Mine")
    shared = make_completed_job(other_student, name="Theirs")
    cohort = Cohort.objects.create(name="3B")
    for user in (student, other_student):
        Membership.objects.create(cohort=cohort, user=user)
    JobShare.objects.create(job=shared, cohort=cohort, is_talkable=True)
    client = client_of(student)
    client.get(reverse("chat:session_new"))
    with django_assert_max_num_queries(9):
        page = client.get(reverse("chat:session_new"), {"compare": "1"}).content.decode()
    for part in ("Your tuned models", "Shared in your classes", "Base models"):
        assert part in page
    assert f'type="checkbox" name="models" value="{_named(own)}"' in page
    assert f"tuned by {other_student}" in page
    assert shared.dataset_version.dataset.name not in page.split("Shared in your classes")[1]
    client.post(
        f"{reverse('chat:session_new')}?compare=1", {"models": [_named(own), _named(shared)]}
    )
    session = ChatSession.objects.get()
    assert [row.job for row in session.answerers.all()] == [own, shared]
    room = client.get(reverse("chat:session_detail", args=[session.pk])).content.decode()
    assert reverse("training:job_detail", args=[own.pk]) in room
    # The page of a classmate's job is closed to others.
    assert reverse("training:job_detail", args=[shared.pk]) not in room


def test_a_program_learns_of_a_shared_model_and_not_of_its_dataset(
    student: User, other_student: User, client_of: SignIn
) -> None:
    make_completed_job(student, name="Mine")
    shared = make_completed_job(other_student, name="Theirs")
    cohort = Cohort.objects.create(name="3B")
    for user in (student, other_student):
        Membership.objects.create(cohort=cohort, user=user)
    JobShare.objects.create(job=shared, cohort=cohort, is_talkable=True)
    items = client_of(student).get("/api/chat/completed-jobs").json()["items"]
    assert {item["name"]: bool(item["dataset_name"]) for item in items} == {
        "Mine": True,
        "Theirs": False,
    }


def test_a_remote_model_says_where_the_words_go(student: User, client_of: SignIn) -> None:
    BaseModel.objects.create(name="llama:1b", source=BaseModel.Source.OLLAMA, digest="0")
    page = client_of(student).get(reverse("chat:session_new")).content.decode()
    assert "leaves this installation" in page
    room = client_of(student).get(
        reverse("chat:session_detail", args=[create_session(student, model_name="llama:1b").pk])
    )
    assert "leaves this installation" in room.content.decode()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_bad_choice_comes_back_with_a_sentence_and_its_marks(
    student: User, client_of: SignIn, count: int
) -> None:
    names = [_named(make_completed_job(student)) for _number in range(count)]
    response = client_of(student).post(
        f"{reverse('chat:session_new')}?compare=1", {"models": names, "is_blind": "on"}
    )
    assert response.status_code == 422
    page = response.content.decode()
    assert 'role="alert"' in page
    assert page.count("checked") - 1 == count


def test_each_answer_bears_its_name(student: User, client_of: SignIn) -> None:
    session = make_comparison(student, 3)
    answer_all(make_message(session), "One.", "Two.", "Three.")
    page = _room(client_of(student), session)
    assert "turn__replies--3" in page
    for answerer in session.answerers.all():
        assert page.count(f'<span class="badge__name">{answerer.label}</span>') >= 2


def test_before_and_after_are_called_tuned_and_base(student: User, client_of: SignIn) -> None:
    session = make_tuned_session(student)
    answer_all(make_message(session), "One.", "Two.")
    page = _room(client_of(student), session)
    assert '<span class="badge__name">Tuned model</span>' in page
    assert "Tuned beside base" in page


def _room(client: Client, session: ChatSession) -> str:
    return client.get(reverse("chat:session_detail", args=[session.pk])).content.decode()


def test_suggestions_come_from_own_datasets_only(student: User, other_student: User) -> None:
    session = make_comparison(student, 2)
    assert suggestions(session)
    TrainingJob.objects.update(owner=other_student)
    assert suggestions(ChatSession.objects.get()) == []


# --- all answer again ----------------------------------------------------------------------------------


def test_all_models_answer_again_with_the_same_new_seed(student: User, client_of: SignIn) -> None:
    session = make_comparison(student, 3)
    message = make_message(session, seed=5, temperature=0.8)
    answer_all(message, "One.", "Two.", "Three.")
    address = reverse("chat:message_regenerate", args=[message.pk])
    assert client_of(student).post(address, headers=HTMX).status_code == 200
    standing = Reply.objects.filter(message=message, is_chosen=True)
    assert [reply.take for reply in standing] == [2, 2, 2]
    seeds = {reply.sampling["seed"] for reply in standing}
    assert len(seeds) == 1
    assert seeds != {5}
    with pytest.raises(ConflictError, match="still answering"):
        regenerate_all(message)


def test_a_stranger_lets_nobody_answer_again(
    student: User, other_student: User, client_of: SignIn
) -> None:
    message = make_message(make_comparison(student, 2))
    answer_all(message, "One.", "Two.")
    for name in ("message_regenerate", "message_vote"):
        address = reverse(f"chat:{name}", args=[message.pk])
        assert client_of(other_student).post(address).status_code == 404
    address = reverse("chat:message_differences", args=[message.pk])
    assert client_of(other_student).get(address).status_code == 404


def test_only_models_that_are_left_answer_again(student: User) -> None:
    session = make_comparison(student, 2)
    message = make_message(session)
    answer_all(message, "One.", "Two.")
    TrainingJob.objects.all().delete()
    takes = regenerate_all(Message.objects.get())
    assert [take.answerer.kind for take in takes] == [Answerer.Kind.BASE]


# --- what differs --------------------------------------------------------------------------------------


def test_differences_are_marked_in_words_as_well(student: User, client_of: SignIn) -> None:
    message = make_message(make_comparison(student, 3))
    answer_all(message, "Class 3B waters it.", "Class 4A waters it.", "Class 3B waters it.")
    address = reverse("chat:message_differences", args=[message.pk])
    fragment = client_of(student).get(address, headers=HTMX).content.decode()
    assert "<html" not in fragment
    assert "[only here:" in fragment
    assert "4A<span" in fragment
    assert "<del>" in fragment
    assert "Word for word the same." in fragment
    page = client_of(student).get(address).content.decode()
    assert "<html" in page
    assert "4A<span" in page


def test_differences_show_what_a_model_wrote_as_text(student: User, client_of: SignIn) -> None:
    message = make_message(make_comparison(student, 2))
    answer_all(message, "Safe <b>words</b>.", "Safe <img src=x> words \u202e.")
    address = reverse("chat:message_differences", args=[message.pk])
    fragment = client_of(student).get(address, headers=HTMX).content.decode()
    assert "<img" not in fragment
    assert "\u202e" not in fragment


def test_one_answer_has_no_differences(student: User, client_of: SignIn) -> None:
    alone = make_message(make_base_session(student))
    waiting = make_message(make_comparison(student, 2))
    for message in (alone, waiting):
        address = reverse("chat:message_differences", args=[message.pk])
        response = client_of(student).get(address, headers=HTMX)
        assert response.status_code == 422
        assert "not two answers" in response["HX-Trigger"]
        assert client_of(student).get(address).status_code == 302


# --- telling the other windows ---------------------------------------------------------------------------


def test_a_chosen_branch_and_a_chosen_take_have_a_number_in_the_stream(student: User) -> None:
    session = make_comparison(student, 2)
    message = make_message(session)
    answer_all(message, "One.", "Two.")
    seq = ChatSession.objects.get().event_seq
    show_branch(message)
    choose_take(message.replies.first())
    assert ChatSession.objects.get().event_seq == seq + 2
