"""A worker has its engine measured once, while nobody waits; the figures are enough for a forecast."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.models import User
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import make_dataset
from engine.client import EngineClient
from engine.tests.factories import make_tiny_base_model
from llmlora_site.home import Home
from modelhub.models import BaseModel, Worker
from modelhub.services import sync_base_models
from training.models import TrainingJob
from training.preflight.calibrating import calibrate
from training.preflight.forecast import Forecaster
from training.tests.factories import make_training_job
from training.tests.preflight_factories import make_draft

pytestmark = pytest.mark.django_db


@pytest.fixture
def base_model(db: None, new_home: Home, settings: LazySettings) -> BaseModel:
    """The only base model here, so that no test depends on what others prepared."""
    settings.LLMLORA_HOME = new_home
    make_tiny_base_model(new_home.local_models / "tiny")
    sync_base_models()
    BaseModel.objects.exclude(name="tiny").delete()
    return BaseModel.objects.get()


@pytest.fixture
def worker() -> Worker:
    return Worker.objects.create(name="lab", state="ready", heartbeat_at=timezone.now())


@pytest.fixture
def client(tmp_path: Path) -> Iterator[EngineClient]:
    client = EngineClient(tmp_path / "engine.log", os.environ | {"OMP_NUM_THREADS": "1"})
    yield client
    client.close()


def kept(base_model: BaseModel) -> dict[str, Any]:
    found: dict[str, Any] = Worker.objects.get(name="lab").calibration[base_model.digest]
    return found


def test_what_was_measured_makes_a_forecast(
    client: EngineClient, base_model: BaseModel, worker: Worker, student: User
) -> None:
    client.start()
    assert calibrate(client, "lab")
    assert kept(base_model)["version"] == "0.1.0"
    version = latest_version(make_dataset(student))
    forecast = Forecaster(make_draft(base_model, version)).forecast()
    assert forecast.duration_seconds
    assert forecast.verdict == "fits"
    # It is not done again before it is old, and then only once.
    assert not calibrate(client, "lab")
    for age, load, is_due in ((6, 0.0, False), (8, 0.0, True), (0.005, 0.9, False), (1, 0.9, True)):
        measured_at = (timezone.now() - timedelta(days=age)).isoformat()
        calibration = kept(base_model) | {"measured_at": measured_at, "other_load": load}
        Worker.objects.update(calibration={base_model.digest: calibration})
        assert calibrate(client, "lab") == is_due
        assert (kept(base_model)["measured_at"] != measured_at) == is_due


def test_another_engine_or_device_is_measured_anew(
    client: EngineClient, base_model: BaseModel, worker: Worker
) -> None:
    client.start()
    assert calibrate(client, "lab")
    for change in ({"version": "0.0.9"}, {"device_name": "Old processor"}):
        calibration = kept(base_model) | change
        Worker.objects.update(calibration={base_model.digest: calibration})
        assert calibrate(client, "lab")


def test_nothing_is_measured_while_a_job_waits_or_the_engine_is_not_there(
    client: EngineClient, base_model: BaseModel, worker: Worker, student: User
) -> None:
    assert not calibrate(client, "lab")
    client.start()
    version = latest_version(make_dataset(student))
    make_training_job(student, dataset_version=version, base_model=base_model)
    assert not calibrate(client, "lab")
    assert not calibrate(client, "nobody")
    assert Worker.objects.get().calibration == {}
    TrainingJob.objects.all().delete()
    assert calibrate(client, "lab")
