"""The forecast of a draft: on which devices, by which past, with which mends, and into how many minutes it fits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.models import User
from datasets_app.models import DatasetVersion
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import make_dataset
from llmlora_site.home import Home
from modelhub.models import BaseModel, Worker
from training.models import TrainingJob
from training.preflight.changes import changed
from training.preflight.devices import past_factor, past_jobs, past_memory_factor
from training.preflight.estimate import estimate_of
from training.preflight.fitting import fit_into
from training.preflight.forecast import Forecast, Forecaster
from training.preflight.mending import memory_mends
from training.preflight.warnings import ENOUGH_STEPS
from training.tests.factories import make_training_job
from training.tests.preflight_factories import (
    GIB,
    make_calibration,
    make_draft,
    make_measured_model,
    make_measured_worker,
)

pytestmark = pytest.mark.django_db

SHORT = [{"instruction": f"Who waters bed {n:02}?", "output": f"Class {n:02}B."} for n in range(40)]
LONG = [
    {"instruction": f"Question {n:02} " * 100, "output": f"Answer {n:02} " * (40 if n else 90)}
    for n in range(10)
]


@pytest.fixture
def base_model(db: None, new_home: Home, settings: LazySettings) -> BaseModel:
    settings.LLMLORA_HOME = new_home
    return make_measured_model(new_home.local_models)


@pytest.fixture
def version(student: User) -> DatasetVersion:
    return latest_version(make_dataset(student, name="Beds", records=SHORT))


@pytest.fixture
def long_version(student: User) -> DatasetVersion:
    return latest_version(make_dataset(student, name="Essays", records=LONG))


def forecaster(base_model: BaseModel, version: DatasetVersion, **changes: Any) -> Forecaster:
    return Forecaster(make_draft(base_model, version, **changes))


def forecast(base_model: BaseModel, version: DatasetVersion, **changes: Any) -> Forecast:
    return forecaster(base_model, version, **changes).forecast()


def seconds(base_model: BaseModel, version: DatasetVersion, **changes: Any) -> float:
    found = forecast(base_model, version, **changes).duration_seconds
    assert found is not None
    return found


# --- what can be told, and when -------------------------------------------------------------------


def test_a_measured_worker_tells_time_and_memory(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    make_measured_worker(base_model)
    found = forecast(base_model, version, num_epochs=3)
    assert (found.plan.total_steps, found.reason) == (30, "")
    assert found.duration_seconds is not None
    assert found.duration_seconds > 30 * 0.2
    assert found.tokens_per_second is not None
    assert found.verdict == "fits"
    assert (found.memory_bytes or 0) > GIB


def test_without_a_measurement_no_time_is_made_up(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    Worker.objects.create(name="new", state="ready", heartbeat_at=timezone.now())
    found = forecast(base_model, version)
    assert found.reason == "not_measured"
    assert found.duration_seconds is found.memory_bytes is found.tokens_per_second is None
    assert found.verdict == "unknown"
    assert found.plan.total_steps == 50


def test_without_the_tokenizer_only_the_steps_are_told(
    base_model: BaseModel, version: DatasetVersion, tmp_path: Any, settings: LazySettings
) -> None:
    make_measured_worker(base_model)
    settings.LLMLORA_HOME = Home(tmp_path / "elsewhere")
    found = forecast(base_model, version)
    assert (found.reason, found.duration_seconds) == ("not_counted", None)
    assert found.plan.total_steps == 50


def test_a_worker_whose_measurement_can_not_be_read_tells_nothing(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    make_measured_worker(base_model, steps=[])
    assert forecast(base_model, version).reason == "not_measured"


def test_examples_that_are_left_out_make_fewer_steps(
    base_model: BaseModel, long_version: DatasetVersion
) -> None:
    make_measured_worker(base_model)
    whole = forecast(base_model, long_version, batch_size=1, num_epochs=1, max_length=4096)
    assert whole.plan.total_steps == 10
    found = forecast(
        base_model, long_version, batch_size=1, num_epochs=1, max_length=1700, overlong="drop"
    )
    assert found.plan.total_steps == 9
    found = forecast(base_model, long_version, max_length=128, overlong="drop")
    assert (found.reason, found.duration_seconds) == ("nothing_to_learn", None)


# --- devices --------------------------------------------------------------------------------------


def test_of_several_devices_the_slowest_is_promised(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    fast = make_calibration()
    for step in fast["steps"]:
        step["seconds"] /= 10
    make_measured_worker(base_model, "gpu", device_name="Fast card", steps=fast["steps"])
    alone = seconds(base_model, version)
    make_measured_worker(base_model, "laptop")
    make_measured_worker(base_model, "laptop-2")
    found = forecast(base_model, version)
    assert [each.device.name for each in found.devices] == ["Test processor", "Fast card"]
    assert found.devices[1].seconds == pytest.approx(alone)


def test_a_worker_that_takes_no_work_counts_only_where_there_is_no_other(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    worker = make_measured_worker(base_model, "old", device_name="Old one")
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    assert forecast(base_model, version).slowest is not None
    make_measured_worker(base_model, "new", device_name="New one")
    found = forecast(base_model, version)
    assert [each.device.name for each in found.devices] == ["New one"]
    worker.delete()
    Worker.objects.update(state=Worker.State.REFUSED, heartbeat_at=timezone.now())
    assert forecast(base_model, version).reason == "not_measured"


def test_a_packed_model_is_told_for_graphics_cards_alone(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    make_measured_worker(base_model)
    assert forecast(base_model, version, variant="qlora").reason == "not_measured"


def make_past_job(base_model: BaseModel, told: float, took: float, **changes: Any) -> None:
    fields: dict[str, Any] = {
        "base_model": base_model,
        "status": TrainingJob.Status.COMPLETED,
        "device_name": "Test processor",
        "estimate": {"duration_seconds": told, "factor": 1.0},
        "device_seconds": took,
        "current_step": 10,
        "total_steps": 10,
        "completed_at": timezone.now(),
    }
    make_training_job(**fields | changes)


def test_past_jobs_correct_what_is_told(base_model: BaseModel, version: DatasetVersion) -> None:
    make_measured_worker(base_model)
    before = seconds(base_model, version)
    for took in (110.0, 120.0, 500.0):
        make_past_job(base_model, 100.0, took)
    assert seconds(base_model, version) == pytest.approx(1.2 * before)


@pytest.mark.parametrize(
    ("told", "took", "changes", "factor"),
    [
        (100.0, 900.0, {}, 2.0),
        (100.0, 10.0, {}, 0.5),
        # What was told had been corrected already.
        (150.0, 120.0, {"estimate": {"duration_seconds": 150.0, "factor": 1.5}}, 1.2),
        (100.0, 150.0, {"device_name": "Another"}, 1.0),
        (100.0, 150.0, {"current_step": 9}, 1.0),
        (100.0, 150.0, {"lost_attempts": 1}, 1.0),
        (100.0, 150.0, {"status": TrainingJob.Status.CANCELLED}, 1.0),
        (100.0, 150.0, {"estimate": {}}, 1.0),
        (100.0, 150.0, {"estimate": {"duration_seconds": None, "factor": 1.0}}, 1.0),
        (0.5, 1.0, {}, 1.0),
    ],
)
def test_which_past_jobs_count(
    base_model: BaseModel, told: float, took: float, changes: dict[str, Any], factor: float
) -> None:
    make_past_job(base_model, told, took, **changes)
    assert past_factor(past_jobs("Test processor", base_model)) == pytest.approx(factor)


TOLD_MEMORY = {
    "memory_device": "Test processor",
    "memory_bytes": 3 * GIB,
    "resident_bytes": GIB,
    "memory_factor": 1.0,
}


@pytest.mark.parametrize(
    ("held", "changes", "factor"),
    [
        (4 * GIB, {}, 1.5),
        # What was told had been corrected already.
        (4 * GIB, {"memory_factor": 2.0}, 3.0),
        (4 * GIB, {"memory_factor": 1.25}, 1.875),
        (2 * GIB, {}, 1.0),
        (40 * GIB, {}, 3.0),
        (0, {}, None),
        (4 * GIB, {"memory_device": "Another"}, None),
        (4 * GIB, {"memory_device": "", "resident_bytes": None}, None),
    ],
)
def test_what_past_jobs_say_of_memory(
    base_model: BaseModel, held: int, changes: dict[str, Any], factor: float | None
) -> None:
    make_past_job(base_model, 100.0, 100.0, estimate=TOLD_MEMORY | changes, memory_bytes=held)
    found = past_memory_factor("Test processor", past_jobs("Test processor", base_model))
    assert found == pytest.approx(factor)


def test_past_jobs_correct_the_memory_that_is_told(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    make_measured_worker(base_model)
    forecast = Forecaster(make_draft(base_model, version)).forecast
    before = forecast()
    told = TOLD_MEMORY | {"duration_seconds": 100.0, "factor": 1.0}
    for held in (3.5, 4.0, 40.0):
        make_past_job(base_model, 100.0, 100.0, estimate=told, memory_bytes=int(held * GIB))
    after = Forecaster(make_draft(base_model, version)).forecast()
    found = after.tightest_device
    assert found is not None
    reckoned = found.memory.memory_bytes - found.device.resident_bytes
    assert reckoned == pytest.approx(1.5 * found.memory.needed_bytes, abs=2)
    assert after.verdict == before.verdict


# --- the stored estimate --------------------------------------------------------------------------


def test_an_unsaved_job_gets_an_estimate(base_model: BaseModel, version: DatasetVersion) -> None:
    make_measured_worker(base_model)
    job = TrainingJob(
        owner=version.dataset.owner,
        base_model=base_model,
        dataset_version=version,
        lora_config={"r": 8},
        training_config={"num_epochs": 3},
    )
    found = estimate_of(job)
    assert found["steps"] == 30
    assert found["duration_seconds"] > 0
    assert (found["worker"], found["verdict"], found["factor"]) == ("lab", "fits", 1.0)
    assert found["tokens_per_second"] > 0


def test_an_estimate_never_stops_a_job(version: DatasetVersion, base_model: BaseModel) -> None:
    job = TrainingJob(
        owner=version.dataset.owner,
        base_model=base_model,
        dataset_version=version,
        lora_config={"r": "eight"},
        training_config={},
    )
    assert estimate_of(job) == {}


def test_an_estimate_asks_the_database_little(
    base_model: BaseModel, version: DatasetVersion, django_assert_max_num_queries: Any
) -> None:
    make_measured_worker(base_model)
    draft = make_draft(base_model, version)
    Forecaster(draft).forecast()
    # The cache, the workers and the past of one device.
    with django_assert_max_num_queries(4):
        found = Forecaster(draft)
        for epochs in range(1, 20):
            found.forecast(
                *changed(draft.lora, draft.training, {"training_config.num_epochs": epochs})
            )


# --- mends ----------------------------------------------------------------------------------------


def room_for(base_model: BaseModel, version: DatasetVersion, share: float, **changes: Any) -> int:
    """Free memory that is so much of what the job takes at least."""
    make_measured_worker(base_model, "ample", available_bytes=10**14)
    needed = forecast(base_model, version, **changes).tightest
    assert needed is not None
    Worker.objects.all().delete()
    return int(share * needed.needed_bytes / 0.7)


def test_a_job_that_fits_needs_no_mend(base_model: BaseModel, version: DatasetVersion) -> None:
    make_measured_worker(base_model)
    found = forecaster(base_model, version)
    assert memory_mends(found, found.forecast()) == []


def test_only_what_turns_the_verdict_is_offered(
    base_model: BaseModel, long_version: DatasetVersion
) -> None:
    settings = {"max_length": 2048, "batch_size": 1, "gradient_checkpointing": "off"}
    room = room_for(base_model, long_version, 0.6, **settings)
    make_measured_worker(base_model, available_bytes=room)
    found = forecaster(base_model, long_version, **settings)
    before = found.forecast()
    assert before.verdict == "does_not_fit"
    mends = memory_mends(found, before)
    assert [mend.code for mend in mends] == ["gradient_checkpointing", "max_length"]
    draft = found.draft
    for mend in mends:
        again = forecast(base_model, long_version, **settings | _plain(mend.changes))
        assert again.verdict == mend.forecast.verdict == "fits"
        assert found.forecast(*changed(draft.lora, draft.training, mend.changes)) == mend.forecast


def test_a_large_adapter_is_mended_by_its_rank_or_its_optimizer(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    settings = {"r": 512, "alpha": 1024, "batch_size": 1}
    room = room_for(base_model, version, 0.9, **settings)
    make_measured_worker(base_model, available_bytes=room)
    found = forecaster(base_model, version, **settings)
    mends = {mend.code: mend for mend in memory_mends(found, found.forecast())}
    assert {"optimizer", "rank"} == set(mends)
    rank = mends["rank"].changes
    assert rank == {"lora_config.r": 256, "lora_config.alpha": 512.0}


def test_several_changes_are_joined_where_none_is_enough(
    base_model: BaseModel, student: User
) -> None:
    records = [{"instruction": f"Question {n:02} " * 100, "output": "Yes."} for n in range(5)]
    version = latest_version(make_dataset(student, name="Questions", records=records))
    settings = {"max_length": 2048, "gradient_checkpointing": "off"}
    thriftiest = {"max_length": 64, "gradient_checkpointing": "on", "batch_size": 1}
    room = room_for(base_model, version, 1.4, **thriftiest)
    make_measured_worker(base_model, available_bytes=room)
    found = forecaster(base_model, version, **settings)
    [mend] = memory_mends(found, found.forecast())
    assert mend.code == "several"
    assert set(mend.changes) == {
        "training_config.gradient_checkpointing",
        "training_config.max_length",
    }


def test_no_answers_are_given_up_for_memory(
    base_model: BaseModel, long_version: DatasetVersion
) -> None:
    make_measured_worker(base_model, available_bytes=270_000_000)
    found = forecaster(base_model, long_version, max_length=2048)
    assert found.forecast().verdict == "does_not_fit"
    assert memory_mends(found, found.forecast()) == []


def _plain(changes: dict[str, Any]) -> dict[str, Any]:
    return {name.partition(".")[2]: value for name, value in changes.items()}


# --- so many minutes ------------------------------------------------------------------------------


def test_a_job_that_is_quick_enough_stays_as_it_is(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    make_measured_worker(base_model)
    proposal = fit_into(forecaster(base_model, version), 3600)
    assert proposal is not None
    assert (proposal.is_possible, proposal.changes, proposal.given_up) == (True, {}, ())


def test_epochs_go_first_and_only_as_far_as_they_have_to(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    make_measured_worker(base_model)
    limit = seconds(base_model, version, num_epochs=12) + 0.01
    proposal = fit_into(forecaster(base_model, version, num_epochs=50), limit)
    assert proposal is not None
    assert proposal.changes == {"training_config.num_epochs": 12}
    [given_up] = proposal.given_up
    assert given_up.params == {"before": 50, "after": 12, "steps": 120}
    assert (proposal.forecast.duration_seconds or 0) <= limit


def test_then_measuring_length_layers_and_rank_are_given_up(
    base_model: BaseModel, long_version: DatasetVersion
) -> None:
    make_measured_worker(base_model)
    settings = {
        "num_epochs": 40,
        "batch_size": 1,
        "max_length": 2048,
        "eval_fraction": 0.2,
        "r": 64,
        "alpha": 128,
    }
    found = forecaster(base_model, long_version, **settings)
    proposal = fit_into(found, 1.0)
    assert proposal is not None
    assert not proposal.is_possible
    assert [each.code for each in proposal.given_up] == [
        "epochs",
        "measurements",
        "length",
        "layers",
        "rank",
    ]
    assert proposal.forecast.plan.total_steps >= ENOUGH_STEPS
    quickest = proposal.forecast.duration_seconds or 0
    assert 1.0 < quickest < seconds(base_model, long_version, **settings)
    # What it says is possible, is.
    again = fit_into(found, quickest)
    assert again is not None
    assert again.is_possible


def test_no_answers_are_given_up_for_time(
    base_model: BaseModel, long_version: DatasetVersion
) -> None:
    make_measured_worker(base_model)
    proposal = fit_into(forecaster(base_model, long_version, max_length=2048), 1.0)
    assert proposal is not None
    fit = proposal.forecast.fit
    assert fit is not None
    assert fit.cut_answers <= 1
    assert proposal.changes["training_config.max_length"] < 2048


def test_where_no_time_can_be_told_nothing_is_proposed(
    base_model: BaseModel, version: DatasetVersion
) -> None:
    assert fit_into(forecaster(base_model, version), 60) is None
