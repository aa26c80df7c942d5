"""A job shown as code: the page, the files and the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from accounts.models import User
from engine.config import LoraHyperparameters, TrainingHyperparameters
from training.api.jobs import job_order
from training.models import TrainingJob
from training.schemas import JobRequest
from training.scripting.script import python_script
from training.scripting.settings_file import settings_yaml
from training.services.ordering import new_job
from training.tests.factories import make_dataset_version, make_person, make_training_job

pytestmark = pytest.mark.django_db

LORA = LoraHyperparameters.from_mapping(
    {"r": 4, "alpha": 12.5, "rank_pattern": {"q_proj": 2}, "target_modules": "attention"}
)
TRAINING = TrainingHyperparameters.from_mapping({"learning_rate": 1e-5, "seed": 0})


@pytest.fixture
def student_client(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def make_job(owner: User, **changes: object) -> TrainingJob:
    settings = {"lora_config": LORA.to_dict(), "training_config": TRAINING.to_dict()}
    return make_training_job(owner, **settings | changes)


def test_the_yaml_of_a_job_is_the_request_that_makes_it_again(student: User) -> None:
    job = make_job(
        student,
        name="Beet: 花壇 # 1",
        eval_dataset_version=make_dataset_version(student, name="Unseen"),
        sample_prompts=["Yes?", "- no: {}"],
        tags=["on", "1e-5"],
        prediction="It will\nfall.",
    )
    text = settings_yaml(job)
    body = JobRequest(**yaml.safe_load(text)["job"])
    again = new_job(student, job_order(body))
    again.save()
    assert yaml.safe_load(settings_yaml(again))["job"] == body.dict()
    for name in (
        "name",
        "base_model",
        "dataset_version",
        "eval_dataset_version",
        "lora_config",
        "training_config",
        "sample_prompts",
        "tags",
        "prediction",
    ):
        assert getattr(again, name) == getattr(job, name), name


def test_the_yaml_names_what_the_numbers_rest_on(student: User) -> None:
    job = make_job(student)
    assert yaml.safe_load(settings_yaml(job))["made_with"] == {
        "base_model_sha256": job.base_model.digest,
        "dataset_sha256": job.dataset_version.digest,
        "dataset_version": 1,
    }


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora", "qlora"])
@pytest.mark.parametrize("bias", ["none", "all"])
def test_every_variant_gives_a_script_that_python_reads(
    student: User, variant: str, bias: str
) -> None:
    lora = LoraHyperparameters(variant=variant, bias=bias, dropout=0.1)
    training = TrainingHyperparameters(
        eval_fraction=0.2, early_stopping_patience=2, overlong="drop", gradient_checkpointing="on"
    )
    job = make_training_job(student, lora_config=lora.to_dict(), training_config=training.to_dict())
    script = python_script(job)
    compile(script, "train.py", "exec")
    assert ("BitsAndBytesConfig(" in script) == (variant == "qlora")
    assert ("use_dora=True" in script) == (variant == "dora")
    assert ("use_rslora=True" in script) == (variant == "rslora")
    assert f'bias="{bias}"' in script
    assert "misses >= 2" in script


def test_a_name_is_never_more_than_text_in_the_script(student: User) -> None:
    name = '""" \nimport os; os.remove("x") # {{ job }}\u2028\''
    prompts = ["']\nprint('gone')"]
    script = python_script(make_training_job(student, name=name, sample_prompts=prompts))
    bare = python_script(make_training_job(student, name="bare", sample_prompts=["bare"]))
    assert ascii(name) in script
    assert ascii(prompts) in script
    assert len(script.splitlines()) == len(bare.splitlines())


def test_the_page_shows_both_forms_and_their_files(student: User, student_client: Client) -> None:
    job = make_job(student)
    page = reverse("training:job_code", args=[job.pk])
    python = student_client.get(page).content.decode()
    assert "get_peft_model" in python
    assert reverse("training:job_code_file", args=[job.pk, "python"]) in python
    assert f"/datasets/{job.dataset_version.dataset_id}/download/?version=1" in python
    assert "learning_rate: 1.0e-05" in student_client.get(page, {"format": "yaml"}).content.decode()
    assert student_client.get(page, {"format": "basic"}).status_code == 404


def test_the_files_are_downloads_named_after_the_job(student: User, student_client: Client) -> None:
    job = make_job(student)
    for code_format, name in (("python", "garden-answers.py"), ("yaml", "garden-answers.yaml")):
        url = reverse("training:job_code_file", args=[job.pk, code_format])
        response = student_client.get(url)
        assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.content.decode() == settings_yaml(job)


def test_the_api_gives_a_job_as_code(student: User, student_client: Client) -> None:
    job = make_job(student)
    url = f"/api/training/jobs/{job.pk}/code"
    assert student_client.get(url).content.decode() == python_script(job)
    assert student_client.get(url, {"format": "yaml"}).content.decode() == settings_yaml(job)
    assert student_client.get(url, {"format": "basic"}).status_code == 422


def test_the_code_of_somebody_else_is_not_there(student_client: Client) -> None:
    job = make_job(make_person("other"))
    for url in (
        reverse("training:job_code", args=[job.pk]),
        reverse("training:job_code_file", args=[job.pk, "yaml"]),
        f"/api/training/jobs/{job.pk}/code",
    ):
        assert student_client.get(url).status_code == 404
