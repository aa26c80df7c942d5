from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config import SamplingParams
from engine.errors import AdapterError, CancelledError, PromptTooLongError
from engine.inference.detokenizer import StreamingDetokenizer
from engine.inference.run import GenerationRun
from engine.inference.sampling import Sampler, nucleus_size
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import BaseModelRef
from engine.signals import Signals
from engine.tests.factories import (
    make_generation_spec,
    make_tiny_base_model,
    make_training_spec,
)
from engine.training.run import TrainingRun


def answer(host: ModelHost, spec: Any) -> tuple[str, dict[str, Any]]:
    events = list(GenerationRun("reply", spec, host))
    return "".join(event.get("text", "") for event in events), events[-1]


def library_greedy(resident: ResidentModel, text: str, count: int) -> str:
    ids = resident.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    whole = resident.model.generate(**ids, max_new_tokens=count, do_sample=False)
    new = whole[0, ids["input_ids"].shape[1] :]
    return str(resident.tokenizer.decode(new, skip_special_tokens=True))


@pytest.mark.parametrize("text", ["say 0", "日本語", "a " * 200])
def test_greedy_equals_the_library_token_for_token(
    host: ModelHost, resident: ResidentModel, tiny_base_model: BaseModelRef, text: str
) -> None:
    ours, _ = answer(host, make_generation_spec(tiny_base_model, text, max_tokens=40))
    assert ours == library_greedy(resident, text, 40).removesuffix("\ufffd")


def test_greedy_with_an_adapter_equals_the_library(
    host: ModelHost, resident: ResidentModel, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(tmp_path, tiny_base_model, learning_rate=3e-2, num_epochs=5)
    finished = list(TrainingRun("job", spec, host))[-1]
    tuned = make_generation_spec(
        tiny_base_model,
        adapter_path=spec.output_dir,
        adapter_digest=finished["adapter_digest"],
    )
    with_adapter, _ = answer(host, tuned)
    assert resident.adapters.active is not None
    assert with_adapter == library_greedy(resident, "say 0", 16).removesuffix("\ufffd")
    bare, _ = answer(host, make_generation_spec(tiny_base_model))
    assert bare != with_adapter
    assert answer(host, tuned)[0] == with_adapter


def test_two_answers_at_once_equal_the_same_alone(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(tmp_path, tiny_base_model, learning_rate=3e-2, num_epochs=5)
    list(TrainingRun("job", spec, host))
    specs = [
        make_generation_spec(tiny_base_model, "one"),
        make_generation_spec(tiny_base_model, "two", adapter_path=spec.output_dir),
    ]
    alone = [answer(host, item)[0] for item in specs]
    runs = [GenerationRun("reply", item, host) for item in specs]
    texts = ["", ""]
    while not all(run.is_finished for run in runs):
        for index, run in enumerate(runs):
            texts[index] += "".join(event.get("text", "") for event in run.advance())
    assert texts == alone


def test_the_seed_decides_a_sampled_answer(host: ModelHost, tiny_base_model: BaseModelRef) -> None:
    def draw(seed: int) -> str:
        torch.rand(5)  # whatever else draws
        spec = make_generation_spec(tiny_base_model, temperature=1.0, seed=seed, max_tokens=30)
        return answer(host, spec)[0]

    assert draw(0) == draw(0)
    assert len({draw(seed) for seed in range(4)}) > 1


def test_an_answer_ends_at_its_length(host: ModelHost, tiny_base_model: BaseModelRef) -> None:
    _, finished = answer(host, make_generation_spec(tiny_base_model, max_tokens=5))
    assert finished["finish_reason"] == "length"
    assert finished["usage"] == {
        "prompt_tokens": 24 + len("say 0") - 5, "completion_tokens": 5,
        "dropped_turns": 0, "cached_tokens": 0,
    }  # fmt: skip
    assert finished["timings"]["path"] == "library"
    timings = finished["timings"]
    assert 0 < timings["first_token_seconds"] <= timings["duration_seconds"]


def test_an_answer_ends_at_the_end_of_the_context(host: ModelHost, tmp_path: Path) -> None:
    base = make_tiny_base_model(tmp_path / "base", context_length=40)
    _, finished = answer(host, make_generation_spec(base, "x" * 10, max_tokens=100))
    usage = finished["usage"]
    assert finished["finish_reason"] == "length"
    assert usage["prompt_tokens"] + usage["completion_tokens"] == 40


def test_a_prompt_without_room_is_told(host: ModelHost, tmp_path: Path) -> None:
    base = make_tiny_base_model(tmp_path / "base", context_length=40)
    with pytest.raises(PromptTooLongError) as failure:
        answer(host, make_generation_spec(base, "x" * 50))
    assert failure.value.params == {"prompt_tokens": 69, "context_length": 40}


def test_cancel_ends_an_answer(host: ModelHost, tiny_base_model: BaseModelRef) -> None:
    flag = Signals()
    run = GenerationRun("reply", make_generation_spec(tiny_base_model), host, flag)
    run.advance()
    flag.give("cancel")
    with pytest.raises(CancelledError):
        run.advance()
    assert run.is_finished
    assert run.usage["completion_tokens"] == 1


def test_an_adapter_of_another_base_model_is_refused(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_training_spec(tmp_path, tiny_base_model)
    list(TrainingRun("job", spec, host))
    other = make_tiny_base_model(tmp_path / "other", seed=1)
    with pytest.raises(AdapterError) as failure:
        answer(host, make_generation_spec(other, adapter_path=spec.output_dir))
    assert failure.value.params["reason"] == "other_base_model"


def test_pieces_never_split_a_character(resident: ResidentModel) -> None:
    text = "日本語と😀👩‍👩‍👧 and naïve é ü – ok"
    detokenizer = StreamingDetokenizer(resident.tokenizer)
    pieces = [detokenizer.push(token) for token in resident.tokenizer.encode(text)]
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)


def test_bytes_that_are_no_character_do_not_stop_the_stream(resident: ResidentModel) -> None:
    lone = resident.tokenizer.encode("日")[0]
    rest = resident.tokenizer.encode("abc")
    detokenizer = StreamingDetokenizer(resident.tokenizer)
    tokens = [lone, lone, *rest, lone]
    text = "".join(detokenizer.push(token) for token in tokens)
    assert text == resident.tokenizer.decode([lone, lone, *rest])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tokens=st.lists(st.integers(3, 258), max_size=120))
def test_whatever_is_drawn_is_told_as_it_is_decoded(
    resident: ResidentModel, tokens: list[int]
) -> None:
    detokenizer = StreamingDetokenizer(resident.tokenizer)
    told = "".join(detokenizer.push(token) for token in tokens)
    assert told == resident.tokenizer.decode(tokens).removesuffix("\ufffd")


def test_a_model_that_draws_nothing_but_odd_bytes_is_heard(resident: ResidentModel) -> None:
    lone = resident.tokenizer.encode("日")[0]
    detokenizer = StreamingDetokenizer(resident.tokenizer)
    pieces = [detokenizer.push(lone) for _number in range(100)]
    assert "".join(pieces) == 99 * "\ufffd"
    assert all(pieces[1:])


def test_special_tokens_are_not_told(resident: ResidentModel) -> None:
    detokenizer = StreamingDetokenizer(resident.tokenizer)
    tokens = [*resident.tokenizer.encode("a"), 0, *resident.tokenizer.encode("b")]
    assert "".join(detokenizer.push(token) for token in tokens) == "ab"


def test_the_nucleus_is_the_smallest_set_that_reaches_top_p() -> None:
    ordered = torch.tensor([0.5, 0.25, 0.15, 0.1])
    sizes = [nucleus_size(ordered, top_p) for top_p in (0.01, 0.5, 0.6, 0.999)]
    assert sizes == [1, 1, 2, 4]


def test_sampling_follows_the_distribution() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2]))
    sampler = Sampler(SamplingParams(temperature=1.0, top_p=1.0, seed=0))
    counts = torch.bincount(torch.tensor([sampler.draw(logits) for _ in range(4000)]), minlength=3)
    # Three standard deviations of a binomial share at 4000 draws are below 0.024.
    assert (counts / 4000 - torch.tensor([0.5, 0.3, 0.2])).abs().max() < 0.024
