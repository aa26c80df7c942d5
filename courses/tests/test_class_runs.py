"""The jobs of a class: the list, one job, what leaders do with it, comparisons, examples."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEvent, Cohort, ComputePolicy, Membership, Notification, User
from courses.models import PageView, PinnedJob
from courses.selectors.disguise import job_pseudonym
from courses.selectors.runs import COLUMNS
from courses.services.class_jobs import MAX_PINNED
from training.models import JobShare, TrainingJob
from training.tests.factories import (
    make_completed_job,
    make_failed_job,
    make_person,
    make_running_job,
    make_training_job,
)
from training.tests.measured_jobs import lora_config, make_measured_job, training_config

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]
Role = Membership.Role


@pytest.fixture
def cohort() -> Cohort:
    return Cohort.objects.create(name="Garden class")


def member(cohort: Cohort, name: str, role: str = Role.STUDENT, **fields: Any) -> User:
    person = make_person(name, display_name=name.capitalize(), **fields)
    Membership.objects.create(cohort=cohort, user=person, role=role)
    return person


@pytest.fixture
def leader(cohort: Cohort) -> User:
    return member(cohort, "leo", Role.ASSISTANT)


@pytest.fixture
def observer(cohort: Cohort) -> User:
    return member(cohort, "olga", Role.OBSERVER)


@pytest.fixture
def pupil(cohort: Cohort) -> User:
    return member(cohort, "mina")


def runs_url(cohort: Cohort) -> str:
    return reverse("classroom:runs", args=[cohort.pk])


def run_url(job: TrainingJob, name: str = "run", *more: Any) -> str:
    return reverse(f"classroom:{name}", args=[job.cohort_id, job.pk, *more])


def names_in(page: str) -> list[str]:
    return re.findall(r'runs-name" scope="row"><a [^>]*>([^<]*)</a>', page)


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("created_at").values_list("kind", flat=True))


# --- the list -------------------------------------------------------------------------------------


def test_the_list_shows_every_job_of_the_class_and_no_other(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    job = make_measured_job(pupil, {0: 3.0, 30: 2.0, 75: 2.25}, name="Roses", cohort=cohort)
    TrainingJob.objects.filter(pk=job.pk).update(baseline_loss=3.0, eval_loss=2.25)
    make_failed_job(pupil, name="Tulips", cohort=cohort)
    make_training_job(pupil, name="Elsewhere")
    page = client_of(leader).get(runs_url(cohort)).content.decode()
    assert names_in(page) == ["Tulips", "Roses"]
    assert "Out of memory" in page
    assert ">+0.750<" in page
    assert "Mina" in page


@pytest.mark.parametrize("role", [Role.STUDENT, None])
def test_the_list_is_not_there_for_others(
    cohort: Cohort, pupil: User, role: str | None, client_of: Sign
) -> None:
    person = pupil if role else make_person("stranger")
    assert client_of(person).get(runs_url(cohort)).status_code == 404


def test_an_empty_list_says_what_will_stand_there(
    cohort: Cohort, leader: User, client_of: Sign
) -> None:
    page = client_of(leader).get(runs_url(cohort)).content.decode()
    assert "Nobody has trained yet" in page


def test_the_list_is_narrowed_and_sorted(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    other = member(cohort, "noah")
    for name, owner, rank, rate in (
        ("Roses", pupil, 4, 1e-3),
        ("Tulips", other, 16, 1e-4),
        ("Ferns", pupil, 8, 5e-4),
    ):
        make_training_job(
            owner,
            name=name,
            cohort=cohort,
            lora_config=lora_config(r=rank),
            training_config=training_config(learning_rate=rate),
        )
    make_failed_job(other, name="Moss", cohort=cohort, lora_config=lora_config(r=2))
    client = client_of(leader)

    def listed(**query: Any) -> list[str]:
        return names_in(client.get(runs_url(cohort), query).content.decode())

    assert listed(sort="rank") == ["Moss", "Roses", "Ferns", "Tulips"]
    assert listed(sort="-rank") == ["Tulips", "Ferns", "Roses", "Moss"]
    assert listed(sort="rate")[0] == "Tulips"
    assert listed(sort="student")[:2] == ["Ferns", "Roses"]
    assert listed(status="failed") == ["Moss"]
    assert listed(student=other.pk) == ["Moss", "Tulips"]
    assert listed(q="mina") == ["Ferns", "Roses"]
    assert listed(q="rose") == ["Roses"]
    assert listed(model="no such") == []
    # What means nothing is passed over.
    assert len(listed(student="9" * 5000, page="-1")) == 4
    assert len(listed(sort="owner__password", status="x", student="1;", page="99")) == 4


@pytest.mark.parametrize("sort", [column.key for column in COLUMNS])
def test_every_column_sorts_both_ways(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign, sort: str
) -> None:
    make_training_job(pupil, cohort=cohort)
    for direction in ("", "-"):
        answer = client_of(leader).get(runs_url(cohort), {"sort": direction + sort})
        assert answer.status_code == 200
        order = "descending" if direction else "ascending"
        assert f'aria-sort="{order}"' in answer.content.decode()


def test_a_projected_list_gives_no_real_name_away(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    roses = make_training_job(pupil, name="Roses", cohort=cohort)
    gone = make_person("wilma", display_name="Wilma")
    make_training_job(gone, name="Ferns", cohort=cohort)
    client = client_of(leader)
    page = client.get(runs_url(cohort), {"projected": "1"}).content.decode()
    main = page.partition("<main")[2]
    assert "Mina" not in main
    assert "Wilma" not in main
    assert "Somebody who left the class" in main
    # Neither what students call their jobs, nor a search that would find it out.
    assert "Roses" not in main
    assert job_pseudonym(roses) in names_in(page)
    for word in ("mina", "Roses", "nothing"):
        searched = client.get(runs_url(cohort), {"projected": "1", "q": word}).content.decode()
        assert len(names_in(searched)) == 2
    assert "Wilma" in client.get(runs_url(cohort)).content.decode()


def test_the_list_costs_the_same_for_many_students(
    cohort: Cohort, leader: User, client_of: Sign
) -> None:
    client = client_of(leader)

    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(runs_url(cohort)).status_code == 200
        return len(queries)

    for number in range(3):
        make_training_job(member(cohort, f"few{number}"), cohort=cohort)
    count()
    few = count()
    for number in range(9):
        make_training_job(member(cohort, f"many{number}"), cohort=cohort)
    assert count() == few


# --- one job --------------------------------------------------------------------------------------


def test_a_leader_reads_the_job_of_a_student(
    cohort: Cohort, leader: User, observer: User, pupil: User, client_of: Sign
) -> None:
    job = make_completed_job(
        pupil, name="Roses", cohort=cohort, prediction="It will rhyme.", notes="Try rank 4."
    )
    page = client_of(leader).get(run_url(job)).content.decode()
    for text in (
        "Roses",
        "Mina",
        "It will rhyme.",
        "Try rank 4.",
        "Learning rate",
        'id="chart-loss"',
    ):
        assert text in page
    assert reverse("training:job_new") + "?from=" not in page
    watched = client_of(observer).get(run_url(job)).content.decode()
    assert "Roses" in watched
    assert 'method="post" action="/admin/classroom' not in watched


def test_a_job_of_another_class_is_not_there(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    elsewhere = Cohort.objects.create(name="Other class")
    job = make_training_job(pupil, cohort=elsewhere)
    client = client_of(leader)
    for name, more in (("run", ()), ("run_pin", ()), ("run_unpin", ()), ("run_feedback", ())):
        url = reverse(f"classroom:{name}", args=[cohort.pk, job.pk, *more])
        assert (client.get(url) if name == "run" else client.post(url)).status_code == 404
    for action in ("cancel", "requeue", "hold", "release", "front", "back", "fair"):
        url = reverse("classroom:run_act", args=[cohort.pk, job.pk, action])
        assert client.post(url).status_code == 404
    job.refresh_from_db()
    assert job.status == TrainingJob.Status.PENDING
    assert client.get(run_url(job)).status_code == 404


def test_an_observer_changes_nothing(
    cohort: Cohort, observer: User, pupil: User, client_of: Sign
) -> None:
    job = make_training_job(pupil, cohort=cohort)
    client = client_of(observer)
    for url in (
        run_url(job, "run_act", "cancel"),
        run_url(job, "run_pin"),
        run_url(job, "run_unpin"),
        run_url(job, "run_feedback"),
    ):
        assert client.post(url, {"text": "Hello"}).status_code == 403
    assert kinds() == []


def test_a_leader_cancels_and_the_student_is_told(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    job = make_training_job(pupil, cohort=cohort)
    answer = client_of(leader).post(run_url(job, "run_act", "cancel"))
    assert answer.status_code == 302
    assert answer.url == run_url(job)
    job.refresh_from_db()
    assert job.status == TrainingJob.Status.CANCELLED
    assert Notification.objects.get(user=pupil).kind == "job_cancelled"
    event = AuditEvent.objects.get()
    assert (event.kind, event.cohort, event.person) == ("job_cancelled", cohort, pupil)
    # Once more: it is over, and a sentence says so.
    page = client_of(leader).post(run_url(job, "run_act", "cancel"), follow=True)
    assert kinds() == ["job_cancelled"]
    assert page.status_code == 200


def test_a_leader_starts_a_job_again_for_its_student(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    job = make_failed_job(pupil, code="worker_lost", cohort=cohort)
    client_of(leader).post(run_url(job, "run_act", "requeue"))
    job.refresh_from_db()
    assert job.status == TrainingJob.Status.PENDING
    assert job.owner == pupil
    assert kinds() == ["job_requeued"]


def test_what_would_fail_again_is_not_started_again(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    job = make_failed_job(pupil, code="diverged", cohort=cohort)
    page = client_of(leader).post(run_url(job, "run_act", "requeue"), follow=True)
    assert "Tell the student what to change." in page.content.decode()
    job.refresh_from_db()
    assert job.status == TrainingJob.Status.FAILED
    assert kinds() == []


def test_a_leader_does_not_start_more_than_the_class_allows(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    ComputePolicy.objects.create(cohort=cohort, max_queued_jobs=1)
    make_training_job(pupil, cohort=cohort)
    job = make_failed_job(pupil, code="worker_lost", cohort=cohort)
    page = client_of(leader).post(run_url(job, "run_act", "requeue"), follow=True)
    assert "The student has as many jobs waiting" in page.content.decode()
    job.refresh_from_db()
    assert job.status == TrainingJob.Status.FAILED


def test_a_leader_holds_moves_and_releases(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    job = make_training_job(pupil, cohort=cohort)
    client = client_of(leader)
    for action in ("hold", "hold", "release", "front", "fair"):
        client.post(run_url(job, "run_act", action))
    assert kinds() == ["job_held", "job_released", "job_moved", "job_moved"]
    assert client.post(run_url(job, "run_act", "explode")).status_code == 404


def test_a_form_leads_back_to_our_pages_only(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    job = make_training_job(pupil, cohort=cohort)
    client = client_of(leader)
    url = run_url(job, "run_act", "hold")
    assert client.post(url, {"next": "https://example.org/"}).url == run_url(job)
    assert client.post(url, {"next": runs_url(cohort)}).url == runs_url(cohort)


# --- comparisons ----------------------------------------------------------------------------------


def test_jobs_of_several_students_stand_side_by_side(
    cohort: Cohort,
    leader: User,
    pupil: User,
    client_of: Sign,
    django_capture_on_commit_callbacks: Any,
) -> None:
    other = member(cohort, "noah")
    first = make_measured_job(pupil, {0: 3.0, 75: 2.0}, name="Roses", cohort=cohort)
    second = make_measured_job(other, {0: 3.0, 75: 1.5}, name="Ferns", cohort=cohort)
    url = reverse("classroom:runs_compare", args=[cohort.pk])
    with django_capture_on_commit_callbacks(execute=True):
        page = client_of(leader).get(url, {"job": [first.pk, second.pk]}).content.decode()
    assert "A: Roses (Mina)" in page
    assert "B: Ferns (Noah)" in page
    assert run_url(first) in page
    assert reverse("training:job_detail", args=[first.pk]) not in page
    assert "/chat/" not in page.partition("<main")[2]
    # A leader who compares proves nothing in a lesson.
    assert not PageView.objects.exists()
    hidden = client_of(leader).get(url, {"job": [first.pk, second.pk], "projected": "1"})
    for word in ("Mina", "Roses", "Ferns"):
        assert word not in hidden.content.decode().partition("<main")[2]


def test_a_projected_job_shows_nothing_that_its_student_wrote(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    job = make_measured_job(
        pupil,
        {0: 3.0, 75: 2.0},
        name="Mina's roses",
        cohort=cohort,
        prediction="I guess",
        explanation="Because I",
        notes="My notes",
        tags=["my-tag"],
    )
    dataset = job.dataset_version.dataset
    dataset.name = "Mina's garden"
    dataset.save()
    client, url = client_of(leader), run_url(job)
    words = ("roses", "garden", "I guess", "Because I", "My notes", "Mina")
    page = client.get(url).content.decode()
    assert all(word in page for word in words)
    hidden = client.get(url, {"projected": "1"}).content.decode()
    assert [word for word in (*words, "my-tag") if word in hidden] == []
    assert job_pseudonym(job) in hidden
    job.refresh_from_db()
    assert (job.name, job.notes) == ("Mina's roses", "My notes")


def test_too_few_and_foreign_jobs_are_not_compared(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    job = make_training_job(pupil, cohort=cohort)
    foreign = make_training_job(pupil)
    url = reverse("classroom:runs_compare", args=[cohort.pk])
    client = client_of(leader)
    few = client.get(url, {"job": [job.pk]})
    assert few.status_code == 422
    assert "Choose 2 to 6 jobs" in few.content.decode()
    assert client.get(url, {"job": [job.pk, foreign.pk]}).status_code == 404
    assert client.get(url, {"job": ["x", "y"]}).status_code == 404


# --- examples -------------------------------------------------------------------------------------


def test_a_pinned_job_is_an_example_for_the_class(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    classmate = member(cohort, "noah")
    job = make_completed_job(pupil, name="Roses", cohort=cohort, notes="Mine alone")
    client_of(leader).post(run_url(job, "run_pin"), {"note": "See  where it turns"})
    pinned = PinnedJob.objects.get()
    assert pinned.note == "See where it turns"
    assert kinds() == ["job_pinned"]
    client = client_of(classmate)
    listed = client.get(reverse("training:job_list")).content.decode()
    url = reverse("courses:example", args=[pinned.pk])
    assert url in listed
    page = client.get(url).content.decode()
    assert "Roses" in page
    assert "See where it turns" in page
    assert 'id="chart-loss"' in page
    assert "Mina" not in page
    assert "Mine alone" not in page
    JobShare.objects.create(job=job, cohort=cohort, is_talkable=True)
    assert "Mina" in client.get(url).content.decode()
    stranger = client_of(make_person("stranger"))
    assert stranger.get(url).status_code == 404
    assert url not in stranger.get(reverse("training:job_list")).content.decode()


def test_an_example_is_taken_down(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    job = make_completed_job(pupil, cohort=cohort)
    client = client_of(leader)
    client.post(run_url(job, "run_pin"))
    client.post(run_url(job, "run_unpin"))
    client.post(run_url(job, "run_unpin"))
    assert not PinnedJob.objects.exists()
    assert kinds() == ["job_pinned", "job_unpinned"]


def test_what_can_not_be_an_example(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    client = client_of(leader)
    running, _lease = make_running_job(pupil, cohort=cohort)
    client.post(run_url(running, "run_pin"))
    assert not PinnedJob.objects.exists()
    job = make_completed_job(pupil, cohort=cohort)
    refused = client.post(run_url(job, "run_pin"), {"note": "x" * 201})
    assert refused.status_code == 422
    assert "x" * 201 in refused.content.decode()
    assert "The text is too long: 201 characters." in refused.content.decode()
    for _number in range(MAX_PINNED):
        PinnedJob.objects.create(cohort=cohort, job=make_training_job(pupil, cohort=cohort))
    client.post(run_url(job, "run_pin"))
    assert not PinnedJob.objects.filter(job=job).exists()


# --- curves ---------------------------------------------------------------------------------------


def curves_page(client: Client, cohort: Cohort, **query: Any) -> str:
    answer = client.get(reverse("classroom:runs_curves", args=[cohort.pk]), query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_all_curves_lie_over_each_other(
    cohort: Cohort, leader: User, pupil: User, client_of: Sign
) -> None:
    jobs = [
        make_measured_job(pupil, {0: 3.0, 75: 2.0 + number}, name=f"Bed {number}", cohort=cohort)
        for number in range(3)
    ]
    make_training_job(pupil, name="Not begun", cohort=cohort)
    make_measured_job(pupil, {0: 3.0, 75: 2.0}, name="Elsewhere")
    client = client_of(leader)
    page = curves_page(client, cohort)
    # Of each job one curve of the training loss and one of the held-out loss.
    assert page.count("plot__line--behind") == 6
    assert "Drawn thin: 3 jobs, which end between 2.000 and 4.000." in page
    bold = curves_page(client, cohort, job=[jobs[0].pk, "no id"])
    assert bold.count("plot__line--behind") == 4
    assert "Bed 0 (Mina)" in bold
    one = curves_page(client, cohort, q="Bed 1")
    assert one.count("plot__line--behind") == 2
    hidden = curves_page(client, cohort, job=[jobs[0].pk], projected="1")
    for word in ("Mina", "Bed"):
        assert word not in hidden.partition("<main")[2]


def test_curves_of_nobody_say_why(cohort: Cohort, leader: User, client_of: Sign) -> None:
    client = client_of(leader)
    assert "as soon as a job of the class has made its first step" in curves_page(client, cohort)
    assert "No job that matches has begun." in curves_page(client, cohort, status="failed")
