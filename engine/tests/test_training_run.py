from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from engine.data.batching import micro_batches
from engine.errors import (
    AdapterError,
    CancelledError,
    DatasetError,
    DivergedError,
    UnsupportedModelError,
    UnsupportedVariantError,
)
from engine.inference.run import GenerationRun
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import BaseModelRef, TrainingSpec
from engine.signals import Signals
from engine.tests.factories import (
    make_generation_spec,
    make_instructions,
    make_tiny_base_model,
    make_training_spec,
)
from engine.training.job_data import load_data
from engine.training.passes import AdaptedModel, measure
from engine.training.run import TrainingRun

Event = dict[str, Any]


def train(spec: TrainingSpec, host: ModelHost, **options: Any) -> list[Event]:
    return list(TrainingRun("job", spec, host, **options))


def outcome(work: Generator[None, None, Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def of_type(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] == kind]


def weights(spec: TrainingSpec) -> dict[str, torch.Tensor]:
    return load_file(Path(spec.output_dir) / "adapter_model.safetensors")


def test_a_job_tells_its_plan_every_step_and_its_end(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    records = make_instructions(5)
    spec = make_training_spec(tmp_path, tiny_base_model, records, num_epochs=3, batch_size=2)
    events = train(spec, host)
    assert [event["stage"] for event in of_type(events, "stage")] == [
        "preparing", "training", "saving",
    ]  # fmt: skip
    (plan,) = of_type(events, "plan")
    assert (plan["total_steps"], plan["total_epochs"], plan["example_count"]) == (9, 3, 5)
    steps = of_type(events, "step")
    assert [event["step"] for event in steps] == list(range(1, 10))
    assert steps[2]["epoch"] == 1.0
    assert events[-1]["type"] == "finished"
    assert events[-1]["final_loss"] == steps[-1]["loss"]
    assert all(event["work_id"] == "job" for event in events)
    json.dumps(events)


def test_examples_are_learned_by_heart(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    records = make_instructions(4)
    spec = make_training_spec(
        tmp_path, tiny_base_model, records, lora={"r": 16, "alpha": 32},
        num_epochs=100, batch_size=4, learning_rate=1e-2, logging_steps=20,
    )  # fmt: skip
    finished = train(spec, host)[-1]
    assert finished["final_loss"] < 0.1
    for record in records:
        answer_spec = make_generation_spec(
            tiny_base_model,
            record["instruction"],
            adapter_path=spec.output_dir,
            adapter_digest=finished["adapter_digest"],
        )
        events = list(GenerationRun("reply", answer_spec, host))
        assert "".join(event.get("text", "") for event in events) == record["output"]
        assert events[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
def test_plain_peft_loads_the_folder_with_equal_logits(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path, variant: str
) -> None:
    spec = make_training_spec(
        tmp_path, tiny_base_model, lora={"variant": variant, "dropout": 0.1}, learning_rate=1e-2
    )
    train(spec, host)
    resident = host.acquire(tiny_base_model)
    name = resident.adapter_cache.acquire(spec.output_dir, "")
    ids = torch.tensor([resident.tokenizer.encode("hello there")])
    with torch.no_grad():
        bare = resident.model(ids).logits
        resident.adapters.activate(name)
        ours = resident.model(ids).logits
        base = AutoModelForCausalLM.from_pretrained(tiny_base_model.path, dtype=torch.float32)
        theirs = PeftModel.from_pretrained(base, spec.output_dir).eval()(ids).logits
    assert (ours - theirs).abs().max() < 1e-4
    assert (ours - bare).abs().max() > 1e-2


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_repeats_bit_by_bit_whatever_else_draws(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path, seed: int
) -> None:
    settings: dict[str, Any] = {"lora": {"dropout": 0.2}, "seed": seed, "eval_fraction": 0.25}
    first, second, other = (
        make_training_spec(tmp_path, tiny_base_model, name=name, **settings | extra)
        for name, extra in (("a", {}), ("b", {}), ("c", {"seed": seed + 1}))
    )
    train(first, host)
    run = TrainingRun("job", second, host)
    while not run.is_finished:
        run.advance()
        torch.rand(3)
    train(other, host)
    assert all(torch.equal(value, weights(second)[key]) for key, value in weights(first).items())
    assert not all(torch.equal(value, weights(other)[key]) for key, value in weights(first).items())


def test_a_job_leaves_the_base_model_and_the_global_generator_alone(
    host: ModelHost, resident: ResidentModel, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    before = {key: value.clone() for key, value in resident.model.state_dict().items()}
    state = torch.get_rng_state()
    train(make_training_spec(tmp_path, tiny_base_model, lora={"dropout": 0.3}), host)
    assert torch.equal(state, torch.get_rng_state())
    after = {key.replace(".base_layer", ""): v for key, v in resident.model.state_dict().items()}
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert resident.adapters.names == frozenset()


def test_the_folder_is_complete_and_its_manifest_true(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(tmp_path, tiny_base_model)
    finished = train(spec, host)[-1]
    folder = Path(spec.output_dir)
    assert {path.name for path in folder.iterdir()} == set(finished["files"])
    assert set(finished["files"]) == {
        "adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja", "training_args.json", "metrics.json", "log.txt", "README.md", "manifest.json",
    }  # fmt: skip
    for name, digest in finished["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert finished["size_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["adapter_digest"] == finished["adapter_digest"]
    assert manifest["base_model"]["digest"] == tiny_base_model.digest
    assert manifest["dataset_digest"] == spec.dataset_digest
    assert set(manifest["files"]) == set(finished["files"]) - {"manifest.json"}
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == tiny_base_model.name
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["final_loss"] == finished["final_loss"]
    assert list(tmp_path.glob("*.partial")) == list(tmp_path.glob(".*")) == []


def test_a_second_run_replaces_the_folder(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(tmp_path, tiny_base_model)
    train(spec, host)
    (Path(spec.output_dir) / "old").touch()
    train(spec, host)
    assert not (Path(spec.output_dir) / "old").exists()


def test_the_curve_has_a_point_every_interval_and_at_the_end(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    every = make_training_spec(tmp_path, tiny_base_model, num_epochs=5, batch_size=4, name="a")
    third = make_training_spec(
        tmp_path, tiny_base_model, num_epochs=5, batch_size=4, logging_steps=3, name="b"
    )
    losses = [event["loss"] for event in of_type(train(every, host), "step")]
    points = of_type(train(third, host), "step")
    assert [event["step"] for event in points] == [3, 5]
    assert points[0]["loss"] == pytest.approx(sum(losses[:3]) / 3)


def test_gradient_accumulation_equals_a_larger_batch(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    large = make_training_spec(tmp_path, tiny_base_model, batch_size=4, name="a")
    split = make_training_spec(
        tmp_path, tiny_base_model, batch_size=1, gradient_accumulation_steps=4, name="b"
    )
    train(large, host)
    train(split, host, micro_batch_tokens=1)
    for key, value in weights(large).items():
        assert torch.allclose(value, weights(split)[key], atol=1e-6)


def test_held_out_loss_is_measured_before_and_after_every_epoch(
    host: ModelHost, resident: ResidentModel, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(
        tmp_path, tiny_base_model, make_instructions(8), num_epochs=2, eval_fraction=0.25
    )
    events = train(spec, host)
    stages = [event["stage"] for event in of_type(events, "stage")]
    assert stages == [
        "preparing", "baseline", "training", "evaluating", "training", "evaluating", "saving",
    ]  # fmt: skip
    evaluations = of_type(events, "evaluation")
    assert [event["step"] for event in evaluations] == [0, 3, 6]
    assert of_type(events, "plan")[0]["eval_example_count"] == 2
    assert not evaluations[0]["is_best"]
    assert evaluations[1]["is_best"]


def test_the_held_out_loss_is_that_of_the_saved_adapter(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(
        tmp_path, tiny_base_model, make_instructions(8), num_epochs=2, eval_fraction=0.25
    )
    last = of_type(train(spec, host), "evaluation")[-1]
    resident = host.acquire(tiny_base_model)
    data = outcome(load_data(spec, resident))
    (batch,) = micro_batches(data.held_out, 1000)
    name = resident.adapter_cache.acquire(spec.output_dir, "")
    model = AdaptedModel(resident.packed, resident.packed.blocks(name), resident.head_weight)
    loss = outcome(measure(model, batch)) / batch.label_count
    assert loss == pytest.approx(last["eval_loss"], rel=1e-5)


def test_early_stopping_keeps_the_best_adapter(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    # The held-out answers contradict the learned ones, so the held-out loss soon rises.
    records = [
        {"instruction": f"say {index}", "output": letter * 6}
        for index, letter in enumerate("abcdefgh")
    ]
    spec = make_training_spec(
        tmp_path, tiny_base_model, records, lora={"r": 16, "alpha": 64}, num_epochs=40,
        batch_size=2, learning_rate=3e-2, eval_fraction=0.25, early_stopping_patience=2,
        lr_scheduler="constant",
    )  # fmt: skip
    events = train(spec, host)
    evaluations = of_type(events, "evaluation")
    best = min(evaluations[1:], key=lambda event: event["eval_loss"])
    assert events[-1]["stopped_early"]
    assert not any(event["is_best"] for event in evaluations[-2:])
    assert best["is_best"]
    metrics = json.loads((Path(spec.output_dir) / "metrics.json").read_text())
    assert metrics["adapter_step"] == best["step"] < metrics["steps"]


def test_a_separate_dataset_is_measured_every_few_steps(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(
        tmp_path, tiny_base_model, make_instructions(6), eval_records=make_instructions(3),
        num_epochs=2, batch_size=1, eval_steps=5,
    )  # fmt: skip
    events = train(spec, host)
    assert [event["step"] for event in of_type(events, "evaluation")] == [0, 5, 10, 12]
    (plan,) = of_type(events, "plan")
    assert (plan["example_count"], plan["eval_example_count"]) == (6, 3)
    manifest = json.loads((Path(spec.output_dir) / "manifest.json").read_text())
    assert manifest["eval_dataset_digest"] == spec.eval_dataset_digest
    with pytest.raises(DatasetError) as failure:
        train(make_training_spec(tmp_path, tiny_base_model, eval_records=[]), host)
    assert failure.value.params["reason"] == "eval_empty"


def test_the_best_or_the_last_adapter_is_kept(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    # The held-out answers contradict the learned ones, so the held-out loss soon rises.
    steps = {}
    for kept in ("best", "last"):
        spec = make_training_spec(
            tmp_path, tiny_base_model, [{"instruction": "say", "output": "aaaa"}], name=kept,
            eval_records=[{"instruction": "say", "output": "bbbb"}], num_epochs=30,
            learning_rate=3e-2, lora={"r": 16, "alpha": 64}, kept_adapter=kept,
        )  # fmt: skip
        events = train(spec, host)
        steps[kept] = events[-1]["adapter_step"]
        evaluations = of_type(events, "evaluation")[1:]
    best = min(evaluations, key=lambda event: event["eval_loss"])
    assert steps == {"best": best["step"], "last": 30}
    assert best["step"] < 30


def test_fixed_prompts_are_answered_before_and_while_it_learns(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(
        tmp_path, tiny_base_model, make_instructions(2), sample_prompts=("say 0", "say 1"),
        lora={"r": 16, "alpha": 32}, num_epochs=60, learning_rate=1e-2, eval_steps=40,
    )  # fmt: skip
    samples = of_type(train(spec, host), "sample")
    assert [(event["step"], event["index"]) for event in samples] == [
        (0, 0), (0, 1), (40, 0), (40, 1), (60, 0), (60, 1),
    ]  # fmt: skip
    assert [event["text"] for event in samples[-2:]] == ["aaa", "bbb"]
    assert [event["prompt"] for event in samples[:2]] == ["say 0", "say 1"]
    metrics = json.loads((Path(spec.output_dir) / "metrics.json").read_text())
    assert len(metrics["samples"]) == 6


def test_samples_do_not_move_what_is_learned(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    specs = [
        make_training_spec(
            tmp_path,
            tiny_base_model,
            name=str(index),
            sample_prompts=prompts,
            lora={"dropout": 0.1},
        )
        for index, prompts in enumerate([(), ("say 0",)])
    ]
    digests = [train(spec, host)[-1]["adapter_digest"] for spec in specs]
    assert digests[0] == digests[1]


def test_ranks_by_layer_load_in_plain_peft_and_in_the_engine(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    lora = {"rank_pattern": {"q_proj": 2, "down_proj": 6}, "alpha_pattern": {"q_proj": 32}}
    assert_plain_peft_agrees(host, tiny_base_model, tmp_path, lora)


@pytest.mark.parametrize("variant", ["rslora", "dora"])
def test_variants_load_in_plain_peft_and_in_the_engine(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path, variant: str
) -> None:
    assert_plain_peft_agrees(host, tiny_base_model, tmp_path, {"variant": variant, "dropout": 0.1})


def test_trained_biases_load_in_plain_peft_and_leave_the_base_model(
    host: ModelHost, tmp_path: Path
) -> None:
    base = make_tiny_base_model(tmp_path / "base", kind="qwen2")
    resident = host.acquire(base)
    before = resident.model(torch.tensor([[1, 40, 41]])).logits
    assert_plain_peft_agrees(host, base, tmp_path, {"bias": "all"})
    resident.adapters.activate(None)
    assert torch.equal(resident.model(torch.tensor([[1, 40, 41]])).logits, before)


def assert_plain_peft_agrees(
    host: ModelHost, base: BaseModelRef, tmp_path: Path, lora: dict[str, Any]
) -> None:
    spec = make_training_spec(
        tmp_path, base, lora={"r": 4} | lora, num_epochs=10, learning_rate=1e-2
    )
    train(spec, host)
    ids = torch.tensor([[1, 40, 41, 42, 43]])
    resident = host.acquire(base)
    resident.adapters.activate(resident.adapter_cache.acquire(spec.output_dir, ""))
    with torch.no_grad():
        ours = resident.model(ids).logits
        resident.adapters.activate(None)
        untouched = resident.model(ids).logits
        plain = AutoModelForCausalLM.from_pretrained(base.path, dtype=torch.float32)
        theirs = PeftModel.from_pretrained(plain, spec.output_dir).eval()(ids).logits
    assert (ours - theirs).abs().max() < 1e-4
    assert (ours - untouched).abs().max() > 0.1


def test_what_a_device_or_model_can_not_train_is_refused(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    for lora in ({"variant": "qlora"}, {"bias": "all"}):
        with pytest.raises(UnsupportedVariantError) as failure:
            train(make_training_spec(tmp_path, tiny_base_model, lora=lora), host)
        assert failure.value.params["variant"] in lora.values()


def test_a_memory_saving_optimizer_learns_with_less_state(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    sizes = {}
    for optimizer in ("adamw", "adafactor"):
        spec = make_training_spec(
            tmp_path, tiny_base_model, optimizer=optimizer, name=optimizer, num_epochs=60,
            batch_size=4, learning_rate=1e-2, lora={"r": 16, "alpha": 32}, save_steps=50,
        )  # fmt: skip
        run = TrainingRun("job", spec, host)
        losses = []
        for event in run:
            if event["type"] == "step":
                losses.append(event["loss"])
                for path in run.checkpoints.saved():
                    sizes[optimizer] = (path / "optimizer.safetensors").stat().st_size
        assert losses[-1] < losses[0] / 3
    assert sizes["adafactor"] < sizes["adamw"] / 2


def test_the_data_of_a_repeated_job_is_not_tokenised_again(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(tmp_path, tiny_base_model)
    digests = [train(spec, host)[-1]["adapter_digest"]]
    Path(spec.dataset_path).unlink()
    digests.append(train(spec, host)[-1]["adapter_digest"])
    assert digests[0] == digests[1]


def test_stop_before_the_first_point_of_the_curve_still_tells_a_loss(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    signals = Signals()
    signals.give("stop")
    spec = make_training_spec(tmp_path, tiny_base_model, num_epochs=50, logging_steps=100)
    events = train(spec, host, signals=signals)
    (point,) = of_type(events, "step")
    assert point["step"] == events[-1]["adapter_step"] == 1
    assert events[-1]["final_loss"] == point["loss"]
    assert PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_base_model.path), spec.output_dir
    )


def test_cancel_ends_the_job_inside_a_pass_and_leaves_its_checkpoints_only(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    signals = Signals()
    spec = make_training_spec(tmp_path, tiny_base_model, save_steps=1, num_epochs=50)
    run = TrainingRun("job", spec, host, signals)
    while not run.checkpoints.saved():
        run.advance()
    while run.is_between_steps:
        run.advance()
    signals.give("cancel")
    with pytest.raises(CancelledError):
        run.advance()
    assert run.is_finished
    assert host.acquire(tiny_base_model).adapters.names == frozenset()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"job.jsonl", "job.checkpoints"}


@pytest.mark.alone
def test_cancel_from_another_thread_is_heard_within_two_seconds(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    signals = Signals()
    spec = make_training_spec(tmp_path, tiny_base_model, num_epochs=100, batch_size=1)
    run = TrainingRun("job", spec, host, signals)
    told = []

    def cancel() -> None:
        told.append(time.monotonic())
        signals.give("cancel")

    threading.Timer(0.3, cancel).start()
    with pytest.raises(CancelledError):
        for _ in run:
            pass
    assert time.monotonic() - told[0] < 2


def test_a_loss_that_is_no_number_ends_the_job(host: ModelHost, tmp_path: Path) -> None:
    base = make_tiny_base_model(tmp_path / "base")
    resident = host.acquire(base)
    resident.head_weight.data.fill_(float("nan"))
    with pytest.raises(DivergedError):
        train(make_training_spec(tmp_path, base), host)
    assert not (tmp_path / "job").exists()


def test_unusable_parts_are_told(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    missing = BaseModelRef("none", str(tmp_path / "none"), "0" * 64)
    with pytest.raises(UnsupportedModelError):
        train(make_training_spec(tmp_path, missing), host)
    with pytest.raises(DatasetError):
        train(make_training_spec(tmp_path, tiny_base_model, []), host)
    answer = make_generation_spec(tiny_base_model, adapter_path=str(tmp_path / "none"))
    with pytest.raises(AdapterError):
        list(GenerationRun("reply", answer, host))


@pytest.mark.parametrize(
    "change",
    [{"model_type": "bert"}, {"auto_map": {"AutoModel": "evil.Model"}}, {"model_type": None}],
)
def test_other_kinds_of_model_are_refused(
    host: ModelHost, tmp_path: Path, change: dict[str, Any]
) -> None:
    base = make_tiny_base_model(tmp_path / "base")
    config = Path(base.path) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(UnsupportedModelError):
        host.acquire(base)


def test_damaged_weights_are_refused(host: ModelHost, tmp_path: Path) -> None:
    base = make_tiny_base_model(tmp_path / "base")
    (Path(base.path) / "model.safetensors").write_bytes(b"not a model")
    with pytest.raises(UnsupportedModelError):
        host.acquire(base)
