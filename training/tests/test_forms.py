"""The form takes what people type, and refuses everything else with the field's own sentence."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from accounts.models import User
from common.errors import Fault
from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.presets import LORA_PRESETS, TRAINING_PRESETS
from training.forms import (
    LORA_PREFIX,
    TRAINING_PREFIX,
    TrainingJobForm,
    default_values,
    job_values,
    preset_values,
)
from training.models import TrainingJob
from training.setting_words import choice_label
from training.tests.factories import (
    make_base_model,
    make_dataset_version,
    make_person,
    make_training_job,
)

pytestmark = pytest.mark.django_db


def typed(owner: User, **changes: Any) -> dict[str, Any]:
    """The default form as a browser sends it."""
    make_base_model()
    dataset = make_dataset_version(owner).dataset
    return default_values() | {"name": "Garden", "dataset": str(dataset.pk)} | changes


def faults_of(owner: User, name: str, value: Any) -> list[str]:
    form = TrainingJobForm(typed(owner, **{name: value}), user=owner)
    assert not form.is_valid()
    assert set(form.errors) == {name}
    return list(form.errors[name])


def test_default_values_are_taken_as_they_are(student: User) -> None:
    form = TrainingJobForm(typed(student), user=student)
    assert form.is_valid(), form.errors
    lora, training = form.settings_of(LORA_PREFIX), form.settings_of(TRAINING_PREFIX)
    assert LoraHyperparameters.from_mapping(lora) == LORA_PRESETS[1].settings
    assert TrainingHyperparameters.from_mapping(training) == TRAINING_PRESETS[0].settings


@pytest.mark.parametrize("text", ["１６", " 16 ", "16.0", "1.6e1"])
def test_numbers_as_people_type_them(student: User, text: str) -> None:
    form = TrainingJobForm(typed(student, **{"lora_config.r": text}), user=student)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["lora_config.r"] == 16


def test_full_width_point_and_exponent_are_a_number(student: User) -> None:
    form = TrainingJobForm(
        typed(student, **{"training_config.learning_rate": "２ｅ－４"}), user=student
    )
    assert form.is_valid(), form.errors
    assert form.cleaned_data["training_config.learning_rate"] == 2e-4


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("q_proj=16, down_proj=4", {"q_proj": 16, "down_proj": 4}),
        ("ｑ＿ｐｒｏｊ＝１６、ｄｏｗｎ＿ｐｒｏｊ＝４", {"q_proj": 16, "down_proj": 4}),
        ("q_proj = 16，", {"q_proj": 16}),
        (" , 、", {}),
        ("", {}),
    ],
)
def test_values_of_single_layers_as_people_type_them(
    student: User, text: str, pattern: dict[str, int]
) -> None:
    form = TrainingJobForm(typed(student, **{"lora_config.rank_pattern": text}), user=student)
    assert form.is_valid(), form.errors
    assert form.settings_of(LORA_PREFIX)["rank_pattern"] == pattern


def test_values_of_single_layers_are_shown_as_they_are_typed(student: User) -> None:
    pattern = {"q_proj": 16, "down_proj": 4}
    form = TrainingJobForm(initial={"lora_config.rank_pattern": pattern}, user=student)
    assert form["lora_config.rank_pattern"].value() == "q_proj=16, down_proj=4"
    form = TrainingJobForm(typed(student, **{"lora_config.rank_pattern": "q=1"}), user=student)
    assert form["lora_config.rank_pattern"].value() == "q=1"


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_choice_is_in_words_and_told_from_its_neighbours(language: str) -> None:
    with translation.override(language):
        for kind in (LoraHyperparameters, TrainingHyperparameters):
            for name, parameter in kind.parameters().items():
                words = [str(choice_label(name, value)) for value in parameter.choices]
                assert not set(words) & set(parameter.choices)
                assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("lora_config.r", "0", "Enter a value from 1 to 512."),
        ("lora_config.r", "513", "Enter a value from 1 to 512."),
        ("lora_config.r", "8.5", "Enter a whole number."),
        ("lora_config.r", "", "Enter a number."),
        ("lora_config.r", "1_6", "Enter a number."),
        ("lora_config.r", "9" * 5000, "Enter a number."),
        ("lora_config.dropout", "0,1", "Enter a number."),
        ("training_config.learning_rate", "nan", "Enter a number."),
        ("training_config.learning_rate", "inf", "Enter a number."),
        ("training_config.learning_rate", "-1e400", "Enter a number."),
        ("training_config.seed", str(2**32), "Enter a value from 0 to 4294967295."),
        ("lora_config.target_modules", [], "Choose at least one layer."),
        ("lora_config.rank_pattern", "q_proj=0", "Enter a value from 1 to 512."),
        ("lora_config.rank_pattern", "q_proj=1.5", "Enter a whole number."),
        ("lora_config.rank_pattern", "q_proj=many", "Enter a number."),
        ("lora_config.alpha_pattern", "q_proj=1_6", "Enter a number."),
        (
            "lora_config.rank_pattern",
            "q_proj=4, q_proj=8",
            "A layer is named twice. Name each layer once.",
        ),
        *(
            (
                "lora_config.rank_pattern",
                text,
                "Give each layer its own value, for example: q_proj=16, down_proj=4.",
            )
            for text in ("16", "q_proj", "q_proj=", "=4", "q_proj 16", "q_proj:16")
        ),
        (
            "lora_config.rank_pattern",
            "lm_head=4",
            "Choose one of: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj.",
        ),
    ],
)
def test_values_out_of_range_are_refused_at_their_field(
    student: User, name: str, value: Any, sentence: str
) -> None:
    assert faults_of(student, name, value) == [sentence]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lora_config.variant", "adalora"),
        ("lora_config.target_modules", ["q_proj", "lm_head"]),
        ("training_config.lr_scheduler", "polynomial"),
        ("base_model", "gpt-9"),
        ("name", ""),
        ("name", "x" * 121),
        ("dataset", ""),
        ("dataset", "no-id"),
        ("eval_dataset", "no-id"),
        ("lora_config.bias", "some"),
        ("training_config.gradient_checkpointing", "none"),
    ],
)
def test_choices_that_do_not_exist_are_refused_at_their_field(
    student: User, name: str, value: Any
) -> None:
    assert faults_of(student, name, value)


def test_the_dataset_of_somebody_else_is_no_choice(student: User, other_student: User) -> None:
    theirs = make_dataset_version(other_student).dataset
    assert faults_of(student, "dataset", str(theirs.pk))


def test_nor_can_it_be_measured_on(student: User, other_student: User) -> None:
    theirs = make_dataset_version(other_student).dataset
    assert faults_of(student, "eval_dataset", str(theirs.pk))


def test_all_faults_are_told_at_once(student: User) -> None:
    bad = {"lora_config.r": "x", "training_config.num_epochs": "0", "name": ""}
    form = TrainingJobForm(typed(student, **bad), user=student)
    assert set(form.errors) == set(bad)
    assert form.read_settings() is None
    assert [label for label, _sentence in form.setting_faults()] == ["Rank", "Epochs"]


def test_ranges_and_sentences_come_from_the_engine(student: User) -> None:
    form = TrainingJobForm(user=student)
    for prefix, kind in (
        (LORA_PREFIX, LoraHyperparameters),
        (TRAINING_PREFIX, TrainingHyperparameters),
    ):
        for name, parameter in kind.parameters().items():
            field = form.fields[f"{prefix}.{name}"]
            assert (field.label, field.help_text) == (parameter.label, parameter.help)
            if parameter.minimum is not None and parameter.kind != "pattern":
                assert float(field.widget.attrs["min"]) == parameter.minimum
                assert float(field.widget.attrs["max"]) == parameter.maximum


def test_every_setting_is_shown_once(student: User) -> None:
    form = TrainingJobForm(user=student)
    shown = [field.name for field in form.simple_fields()]
    shown += [field.name for _title, fields in form.advanced_groups() for field in fields]
    assert len(shown) == len(set(shown))
    settings = {name for name in form.fields if "." in name}
    assert set(shown) == settings | {"eval_dataset", "sample_prompts"}


def test_faults_of_the_service_are_shown_at_its_fields(student: User) -> None:
    form = TrainingJobForm(typed(student), user=student)
    assert form.is_valid()
    faults = [
        ("dataset_id", "Gone."),
        ("eval_dataset_id", "The same."),
        ("sample_prompts", "Too many."),
        ("training_config.max_length", "Too long."),
        (None, "Full."),
    ]
    form.add_faults(Fault(message, field=field) for field, message in faults)
    assert form.errors["dataset"] == ["Gone."]
    assert form.errors["eval_dataset"] == ["The same."]
    assert form.errors["sample_prompts"] == ["Too many."]
    assert form.errors["training_config.max_length"] == ["Too long."]
    assert form.non_field_errors() == ["Full."]
    assert form.has_advanced_faults()


def test_a_preset_fills_its_own_group_only() -> None:
    values = preset_values(LORA_PREFIX, "maximum")
    assert values["lora_config.r"] == 32
    assert all(name.startswith("lora_config.") for name in values)
    assert preset_values(LORA_PREFIX, "own") == preset_values(LORA_PREFIX, "unknown") == {}


def test_a_job_is_repeated_with_its_own_values() -> None:
    owner = make_person()
    measured = make_dataset_version(owner, name="Unseen")
    job = make_training_job(
        owner,
        lora_config=LoraHyperparameters(r=3, rank_pattern={"q_proj": 9}).to_dict(),
        eval_dataset_version=measured,
        sample_prompts=["Who waters\nthe garden?", "Why?"],
    )
    values = job_values(TrainingJob.objects.get(pk=job.pk))
    assert values["lora_config.r"] == 3
    assert values["lora_config_preset"] == "own"
    assert values["training_config_preset"] == "standard"
    assert values["dataset"] == job.dataset_version.dataset_id
    assert values["eval_dataset"] == measured.dataset_id
    assert values["sample_prompts"] == "Who waters the garden?\nWhy?"
    form = TrainingJobForm(initial=values, user=owner)
    assert form["lora_config.rank_pattern"].value() == "q_proj=9"
    assert form.read_settings() == (job.lora, job.training)
