"""The class as one sweep: where dots stand, how they look, and that a projector names nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Cohort, Membership, User
from courses.selectors.class_sweep import SweepView, class_sweep
from courses.selectors.runs import OwnerNames
from training.models import TrainingJob
from training.plotting.scatter import build_scatter
from training.tests.factories import make_completed_job, make_failed_job, make_person
from training.tests.measured_jobs import lora_config, make_measured_job, training_config

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]


@pytest.fixture
def cohort() -> Cohort:
    return Cohort.objects.create(name="Garden class")


def member(cohort: Cohort, name: str, role: str = Membership.Role.STUDENT) -> User:
    person = make_person(name, display_name=name.capitalize())
    Membership.objects.create(cohort=cohort, user=person, role=role)
    return person


@pytest.fixture
def leader(cohort: Cohort) -> User:
    return member(cohort, "leo", Membership.Role.INSTRUCTOR)


def tried(
    owner: User, cohort: Cohort, *, rank: int, final: float, rate: float = 1e-3, **changes: Any
) -> TrainingJob:
    config = training_config(eval_fraction=0.25, learning_rate=rate)
    return make_measured_job(
        owner,
        {0: 3.0, 75: final},
        cohort=cohort,
        lora_config=lora_config(r=rank),
        training_config=config,
        **changes,
    )


def drawn(cohort: Cohort, **query: str) -> Any:
    names = OwnerNames.of(cohort, is_projected=False)
    return class_sweep(cohort, SweepView.from_address(query), names)


def url(cohort: Cohort) -> str:
    return reverse("classroom:sweep", args=[cohort.pk])


def percent(position: str) -> float:
    return float(position.removesuffix("%"))


# --- places ---------------------------------------------------------------------------------------


def test_factors_are_equal_steps_on_a_logarithmic_axis() -> None:
    scatter = build_scatter([(4, 1.0), (16, 2.0), (64, 3.0)], is_log=True)
    left, middle, right = (percent(dot.x) for dot in scatter.dots)
    assert right - middle == pytest.approx(middle - left, abs=0.2)
    assert [tick.label for tick in scatter.x_ticks] == ["4", "16", "64"]
    low, between, high = (percent(dot.y) for dot in scatter.dots)
    assert low > between > high


def test_what_became_worse_lies_below_zero() -> None:
    scatter = build_scatter([(1, -0.5), (2, 1.0)], is_log=False)
    assert percent(scatter.dots[1].y) < percent(scatter.zero) < percent(scatter.dots[0].y) < 100
    assert any(tick.label.startswith("\u2212") for tick in scatter.y_ticks)
    assert build_scatter([(1, 0.5), (2, 1.0)], is_log=False).zero == ""


@pytest.mark.parametrize("is_log", [True, False])
@pytest.mark.parametrize("y", [0.0, 1.5, -2.0])
def test_a_single_dot_has_a_place(is_log: bool, y: float) -> None:
    scatter = build_scatter([(8, y)], is_log=is_log)
    assert percent(scatter.dots[0].x) == pytest.approx(50, abs=0.1)
    assert 0 < percent(scatter.dots[0].y) < 100
    assert [tick.label for tick in scatter.x_ticks] == ["8"]


def test_equal_dots_do_not_cover_each_other() -> None:
    scatter = build_scatter([(8, 1.0), (8, 1.0), (8, 1.0), (16, 1.5)], is_log=True)
    assert len({dot.x for dot in scatter.dots[:3]}) == 3
    assert len({dot.y for dot in scatter.dots[:3]}) == 1


def test_many_values_have_round_ticks() -> None:
    scatter = build_scatter([(value, 1.0 + value) for value in range(1, 41)], is_log=False)
    assert [tick.label for tick in scatter.x_ticks] == ["10", "20", "30", "40"]


# --- what is drawn --------------------------------------------------------------------------------


def test_completed_jobs_of_the_class_are_dots(cohort: Cohort) -> None:
    mina, noah = member(cohort, "mina"), member(cohort, "noah")
    tried(mina, cohort, rank=4, final=2.5)
    tried(noah, cohort, rank=16, final=1.5)
    make_failed_job(mina, cohort=cohort)
    tried(mina, Cohort.objects.create(name="Other"), rank=8, final=1.0)
    picture = drawn(cohort)
    assert {(dot.student, dot.x_words, round(dot.value, 3)) for dot in picture.dots} == {
        ("Mina", "4", 0.5),
        ("Noah", "16", 1.5),
    }
    assert "Rank 4: 1 job, 0.500 to 0.500." in picture.description
    assert any("different held-out examples" in note for note in picture.notes)


def test_colour_and_shape_tell_a_second_setting(cohort: Cohort) -> None:
    mina = member(cohort, "mina")
    for rate in (1e-3, 1e-3, 1e-4):
        tried(mina, cohort, rank=4, final=2.0, rate=rate)
    picture = drawn(cohort)
    assert picture.by_label == "Learning rate"
    assert [group.label for group in picture.groups] == ["0.0001", "0.001"]
    assert len({group.shape for group in picture.groups}) == 2
    assert drawn(cohort, by="").by_label == ""
    # The setting below is told by the place already.
    assert drawn(cohort, x="rate", by="rate").by_label == ""


def test_rare_values_share_a_look(cohort: Cohort) -> None:
    mina = member(cohort, "mina")
    for number in range(8):
        tried(mina, cohort, rank=4, final=2.0, rate=1e-4 * (number + 1))
    picture = drawn(cohort, by="rate")
    assert len(picture.groups) == 6
    assert "other values" in [group.label for group in picture.groups]


def test_jobs_without_the_measurement_are_counted(cohort: Cohort) -> None:
    mina = member(cohort, "mina")
    tried(mina, cohort, rank=4, final=2.0)
    make_completed_job(mina, cohort=cohort)
    picture = drawn(cohort)
    assert len(picture.dots) == 1
    assert "1 completed job has no such measurement and no dot." in picture.notes
    assert len(drawn(cohort, y="loss").dots) == 2


# --- the page -------------------------------------------------------------------------------------


def test_the_dots_lead_a_leader_to_the_jobs(cohort: Cohort, leader: User, client_of: Sign) -> None:
    job = tried(member(cohort, "mina"), cohort, rank=4, final=2.0, name="Roses")
    page = client_of(leader).get(url(cohort)).content.decode()
    assert page.count(reverse("classroom:run", args=[cohort.pk, job.pk])) == 2
    assert "Mina: Roses" in page


def test_a_projected_picture_names_nobody(cohort: Cohort, leader: User, client_of: Sign) -> None:
    job = tried(member(cohort, "mina"), cohort, rank=4, final=2.0, name="Minas roses")
    page = client_of(leader).get(url(cohort), {"projected": "1"}).content.decode()
    assert "class-sweep__dot" in page
    for text in ("Mina", str(job.pk)):
        assert text not in page
    assert 'hx-trigger="every 10s"' in page


def test_an_empty_picture_says_why(cohort: Cohort, leader: User, client_of: Sign) -> None:
    client = client_of(leader)
    assert "No job is complete yet" in client.get(url(cohort)).content.decode()
    make_completed_job(member(cohort, "mina"), cohort=cohort)
    assert "need held-out examples" in client.get(url(cohort)).content.decode()


def test_an_address_that_means_nothing_is_as_usual(
    cohort: Cohort, leader: User, client_of: Sign
) -> None:
    tried(member(cohort, "mina"), cohort, rank=4, final=2.0)
    answer = client_of(leader).get(url(cohort), {"x": "owner", "y": "<b>", "by": "password"})
    assert answer.status_code == 200
    assert "Gain over the base model by Rank" in answer.content.decode()


def test_an_observer_sees_it_and_a_student_does_not(cohort: Cohort, client_of: Sign) -> None:
    observer = member(cohort, "olga", Membership.Role.OBSERVER)
    assert client_of(observer).get(url(cohort)).status_code == 200
    assert client_of(member(cohort, "mina")).get(url(cohort)).status_code == 404


def test_the_picture_costs_the_same_for_many_students(
    cohort: Cohort, leader: User, client_of: Sign
) -> None:
    client = client_of(leader)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url(cohort)).status_code == 200
        return len(queries)

    for number in range(3):
        tried(member(cohort, f"few{number}"), cohort, rank=4, final=2.0)
    count()
    few = count()
    for number in range(9):
        tried(member(cohort, f"many{number}"), cohort, rank=8, final=1.0)
    assert count() == few
