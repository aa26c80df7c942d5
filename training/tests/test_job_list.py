"""The list of jobs: filters in the address, sorting, drawings of the loss, and what is done to checked jobs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts.models import User
from training.models import MetricPoint, Sweep, TrainingJob
from training.notebook.filters import JobFilters
from training.notebook.listing import SPARKLINE_POINTS, path, sparklines
from training.tests.factories import make_dataset_version, make_running_job, make_training_job

pytestmark = pytest.mark.django_db
LIST, BULK = reverse("training:job_list"), reverse("training:job_bulk")
Sign = Callable[[User], Client]
Make = Callable[..., TrainingJob]


@pytest.fixture
def signed_in(student: User, client_of: Sign) -> Client:
    return client_of(student)


@pytest.fixture
def make(student: User) -> Make:
    version = make_dataset_version(student)

    def make_one(name: str, **fields: Any) -> TrainingJob:
        return make_training_job(student, name=name, dataset_version=version, **fields)

    return make_one


def shown(client: Client, **query: str) -> list[str]:
    page = client.get(LIST, query).content.decode()
    return re.findall(r'job-item__title"[^>]*>([^<]*)</a>', page)


# --- filters --------------------------------------------------------------------------------------


def test_filters_narrow_the_list(signed_in: Client, make: Make) -> None:
    make("plain", notes="with <notes> on Roses")
    make("starred", is_starred=True, tags=["庭"])
    make("archived", archived_at=timezone.now(), tags=["old"])
    make("failed", status="failed", error_code="diverged")
    assert shown(signed_in) == ["failed", "starred", "plain"]
    assert shown(signed_in, status="failed") == ["failed"]
    assert shown(signed_in, tag="庭") == ["starred"]
    assert shown(signed_in, starred="1") == ["starred"]
    assert shown(signed_in, archived="1") == ["archived"]
    assert shown(signed_in, q="roses") == ["plain"]
    assert shown(signed_in, q="STAR") == ["starred"]
    assert shown(signed_in, q="%") == []
    assert shown(signed_in, starred="1", status="failed") == []


def test_the_list_is_sorted(signed_in: Client, make: Make) -> None:
    make("b", eval_loss=0.5)
    make("A", eval_loss=None)
    make("c", eval_loss=0.25)
    assert shown(signed_in) == ["c", "A", "b"]
    assert shown(signed_in, sort="best") == ["c", "b", "A"]
    assert shown(signed_in, sort="name") == ["A", "b", "c"]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "x", "sort": "x", "page": "x"},
        {"tag": "\x00", "q": "\x00"},
        {"q": "x" * 5000, "tag": "'\"; --"},
        {"page": "99"},
    ],
)
def test_a_senseless_address_is_no_error(
    signed_in: Client, make: Make, query: dict[str, str]
) -> None:
    make("plain")
    assert signed_in.get(LIST, query).status_code == 200


def test_sorting_alone_hides_no_job() -> None:
    assert JobFilters.from_address({"q": "a", "sort": "best"}).is_narrowed
    assert not JobFilters.from_address({"sort": "best"}).is_narrowed


def test_the_page_says_what_is_chosen_and_offers_own_tags(
    signed_in: Client, make: Make, other_student: User
) -> None:
    make("one", tags=["庭", "a"])
    make("two", tags=["庭"])
    make_training_job(other_student, tags=["theirs"])
    page = signed_in.get(LIST, {"tag": "庭", "starred": "1"}).content.decode()
    assert '<option value="庭" selected>庭 (2)</option>' in page
    assert '<option value="a">a (1)</option>' in page
    assert "theirs" not in page
    assert re.search(r'name="starred" value="1" checked', page)
    assert "No job matches" in page


def test_only_archived_jobs_are_no_first_visit(signed_in: Client, make: Make) -> None:
    make("archived", archived_at=timezone.now())
    page = signed_in.get(LIST).content.decode()
    assert "No job matches" in page
    assert "No training job yet" not in page


def test_the_poll_keeps_filter_and_checked_boxes(
    signed_in: Client, student: User, make: Make
) -> None:
    make("one", tags=["庭"])
    page = signed_in.get(
        f"{LIST}?tag=%E5%BA%AD&page=1",
        headers={"HX-Request": "true", "HX-Target": "job-list"},
    ).content.decode()
    assert f'hx-get="{LIST}?tag=%E5%BA%AD&amp;page=1"' in page
    assert re.search(r'<input type="checkbox" id="pick-[^>]*hx-preserve', page)
    assert "<html" not in page


def test_a_row_tells_its_tags_its_star_and_its_sweep(
    signed_in: Client, student: User, make: Make
) -> None:
    sweep = Sweep.objects.create(owner=student, name="Learning rates", axes=[])
    make("one", tags=["<庭>"], is_starred=True, sweep=sweep)
    page = signed_in.get(LIST).content.decode()
    assert "Learning rates" in page
    assert "&lt;庭&gt;" in page
    assert 'aria-pressed="true"' in page


# --- drawings -------------------------------------------------------------------------------------


def add_points(job: TrainingJob, steps: range) -> None:
    MetricPoint.objects.bulk_create(
        MetricPoint(job=job, step=step, epoch=0, loss=3.0 / step, recorded_at=timezone.now())
        for step in steps
    )
    TrainingJob.objects.filter(pk=job.pk).update(current_step=steps[-1], status="completed")
    job.refresh_from_db()


def test_a_long_job_is_drawn_from_few_points_in_one_query(make: Make) -> None:
    long, short, fresh = make("long"), make("short"), make("fresh")
    add_points(long, range(1, 2_001))
    add_points(short, range(1, 4))
    with CaptureQueriesContext(connection) as queries:
        drawings = sparklines([long, short, fresh])
    assert len(queries) == 1
    assert set(drawings) == {long.pk, short.pk}
    assert len(drawings[long.pk].split("L")) == SPARKLINE_POINTS
    assert drawings[long.pk].startswith("M0.0 1.0 ")
    assert drawings[long.pk].endswith("L100.0 23.0")
    assert drawings[short.pk].count("L") == 2


def test_a_loss_that_stands_still_is_a_line_in_the_middle() -> None:
    assert path([(1, 2.0), (5, 2.0)]) == "M0.0 12.0 L100.0 12.0"


def test_the_list_costs_the_same_however_much_it_shows(
    signed_in: Client, student: User, make: Make
) -> None:
    sweep = Sweep.objects.create(owner=student, name="Rates", axes=[])
    add_points(make("first", tags=["a"], sweep=sweep), range(1, 50))
    with CaptureQueriesContext(connection) as one:
        signed_in.get(LIST)
    for number in range(12):
        add_points(make(str(number), tags=[str(number)], sweep=sweep), range(1, 50))
    with CaptureQueriesContext(connection) as many:
        page = signed_in.get(LIST).content.decode()
    assert page.count('class="sparkline"') == 13
    assert len(many) == len(one)


# --- checked jobs ---------------------------------------------------------------------------------


def bulk(client: Client, action: str, jobs: list[TrainingJob], **values: str) -> Any:
    body = {"action": action, "job": [str(job.pk) for job in jobs]} | values
    return client.post(BULK, body)


def test_checked_jobs_are_archived_and_come_back(
    signed_in: Client, make: Make, other_student: User
) -> None:
    jobs, theirs = [make("one"), make("two")], make_training_job(other_student)
    back = f"{LIST}?q=o"
    assert bulk(signed_in, "archive", [*jobs, theirs], next=back).url == back
    assert "2 jobs are archived." in signed_in.get(LIST).content.decode()
    assert shown(signed_in, archived="1") == ["two", "one"]
    theirs.refresh_from_db()
    assert theirs.archived_at is None
    bulk(signed_in, "unarchive", jobs)
    assert shown(signed_in) == ["two", "one"]


def test_checked_jobs_get_a_tag(signed_in: Client, make: Make) -> None:
    jobs = [make("one", tags=["a"]), make("two")]
    bulk(signed_in, "tag", jobs, tags="庭, a")
    assert [TrainingJob.objects.get(pk=job.pk).tags for job in jobs] == [["a", "庭"], ["庭", "a"]]
    bulk(signed_in, "tag", jobs, tags="x" * 41)
    assert "A tag may have 40 characters at most." in signed_in.get(LIST).content.decode()


def test_checked_jobs_are_compared(signed_in: Client, make: Make) -> None:
    try:
        compare = reverse("training:compare")
    except NoReverseMatch:
        pytest.skip("there is no page to compare jobs")
    old, new = make("old"), make("new")
    TrainingJob.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=1))
    answer = bulk(signed_in, "compare", [old, new])
    assert answer.url == f"{compare}?job={new.pk}&job={old.pk}"


@pytest.mark.parametrize(
    "values", [{}, {"job": "x"}, {"job": "\x00"}, {"job": "0" * 32, "action": "archive"}]
)
def test_without_a_checked_job_nothing_happens(
    signed_in: Client, make: Make, values: dict[str, str]
) -> None:
    make("one")
    answer = signed_in.post(BULK, {"next": "https://elsewhere.example/"} | values)
    assert answer.url == LIST
    assert "No job is checked." in signed_in.get(LIST).content.decode()
    assert shown(signed_in) == ["one"]


def test_an_unknown_action_changes_nothing(signed_in: Client, make: Make) -> None:
    job = make("one")
    assert bulk(signed_in, "delete", [job]).url == LIST
    assert shown(signed_in) == ["one"]


@pytest.mark.parametrize("address", [LIST, BULK])
def test_who_is_signed_out_signs_in_first(client: Client, address: str) -> None:
    assert client.post(address).url.startswith(reverse("account_login"))


def test_a_running_job_is_drawn_while_it_runs(signed_in: Client, student: User) -> None:
    make_running_job(student, step_count=20)
    page = signed_in.get(LIST).content.decode()
    assert 'class="sparkline"' in page
    assert 'hx-trigger="every 5s"' in page
