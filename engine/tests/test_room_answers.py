"""What an answer tells: probabilities, losses, remembered beginnings; and the adapters behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from engine.data.records import Turn
from engine.errors import AdapterError
from engine.inference.adapter_cache import digest_of
from engine.inference.adapter_weights import AdapterWeights, read_adapter
from engine.inference.limits import RoomLimits
from engine.inference.loaded_adapters import LoadedAdapters
from engine.inference.room import DecodeRoom
from engine.inference.run import GenerationRun
from engine.inference.stacks import AdapterStacks
from engine.models.cache import file_sha256
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import ChatTurn, GenerationSpec
from engine.tests.chat_factories import run_room, text_of, tokens_of, write_adapter
from engine.tests.factories import make_generation_spec


@pytest.fixture
def adapter(resident: ResidentModel, tmp_path: Path) -> str:
    return write_adapter(tmp_path / "adapter", resident, seed=1)


def plain_logits(resident: ResidentModel, token_ids: list[int]) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(resident.ref.path, dtype=torch.float32)
    with torch.no_grad():
        logits: torch.Tensor = model(torch.tensor([token_ids])).logits[0]
    return logits


def prompt_of(resident: ResidentModel, spec: GenerationSpec) -> list[int]:
    turns = [Turn(turn["role"], turn["content"], False) for turn in spec.turns]
    return resident.chat_format.prompt(turns)


def test_logprobs_are_those_of_a_plain_forward_pass(resident: ResidentModel) -> None:
    spec = make_generation_spec(
        resident.ref, temperature=2, top_p=1, top_k=40, repetition_penalty=1.4, seed=3, logprobs=3,
        max_tokens=12,
    )  # fmt: skip
    room = DecodeRoom(resident)
    answer = room.join("a", spec)
    events = run_room(room)["a"]
    told = [entry for event in events for entry in event.get("logprobs", [])]
    prompt = prompt_of(resident, spec)
    logprobs = plain_logits(resident, [*prompt, *answer.token_ids]).log_softmax(dim=-1)
    tokens = [token for token in answer.token_ids if token not in resident.chat_format.stop_ids]
    assert len(told) == len(tokens) > 5
    for index, (token, entry) in enumerate(zip(tokens, told, strict=True)):
        row = logprobs[len(prompt) - 1 + index]
        assert entry["token"] == resident.tokenizer.decode([token])
        assert entry["logprob"] == pytest.approx(float(row[token]), abs=1e-4)
        best = row.topk(3)
        assert [top["logprob"] for top in entry["top"]] == pytest.approx(
            best.values.tolist(), abs=1e-4
        )
        assert entry["top"][0]["token"] == resident.tokenizer.decode([int(best.indices[0])])


@pytest.mark.parametrize("read_tokens", [256, 7])
def test_a_scored_loss_is_that_of_transformers(
    host: ModelHost, resident: ResidentModel, adapter: str, read_tokens: int
) -> None:
    spec = replace(make_generation_spec(resident.ref), scored_answer="forty-two")
    room = DecodeRoom(resident, limits=RoomLimits(read_tokens=read_tokens))
    room.join("base", spec)
    room.join("tuned", replace(spec, adapter_path=adapter))
    events = run_room(room)
    turns = [{"role": "user", "content": "say 0"}, {"role": "assistant", "content": "forty-two"}]
    whole = resident.tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
    ids = whole[: len(whole) - whole[::-1].index(2)]
    count = len("forty-two") + 1
    labels = [-100] * (len(ids) - count) + ids[-count:]
    model = AutoModelForCausalLM.from_pretrained(resident.ref.path, dtype=torch.float32)
    loss = float(model(torch.tensor([ids]), labels=torch.tensor([labels])).loss)
    assert events["base"][0]["scored_loss"] == pytest.approx(loss, abs=1e-5)
    assert events["base"][0]["finish_reason"] == "stop"
    library = list(GenerationRun("x", replace(spec, adapter_path=adapter), host))
    assert events["tuned"][0]["scored_loss"] == pytest.approx(library[-1]["scored_loss"], abs=1e-5)
    assert events["tuned"][0]["scored_loss"] != pytest.approx(loss, abs=1e-3)


def conversation(resident: ResidentModel, adapter: str | None, *texts: str) -> GenerationSpec:
    roles = ("user", "assistant")
    turns: list[ChatTurn] = [
        {"role": roles[index % 2], "content": text}  # type: ignore[typeddict-item]
        for index, text in enumerate(texts)
    ]
    spec = make_generation_spec(resident.ref, temperature=2, seed=5, max_tokens=20)
    return replace(spec, turns=turns, adapter_path=adapter, conversation="c")


def test_the_beginning_of_a_conversation_is_read_once(
    resident: ResidentModel, adapter: str
) -> None:
    room = DecodeRoom(resident)
    room.join("one", conversation(resident, adapter, "hello there"))
    first = text_of(run_room(room)["one"])
    turn = conversation(resident, adapter, "hello there", first, "and now?")
    fresh = tokens_of(room, [replace(turn, conversation="")])[0]
    again = room.join("again", turn)
    usage = run_room(room)["again"][-1]["usage"]
    assert again.token_ids == fresh
    known = len(prompt_of(resident, conversation(resident, None, "hello there")))
    assert known < usage["cached_tokens"] < usage["prompt_tokens"]


def test_the_same_turn_again_reads_one_token_and_answers_alike(
    resident: ResidentModel, adapter: str
) -> None:
    room = DecodeRoom(resident)
    spec = conversation(resident, adapter, "hello there")
    first = room.join("one", spec)
    run_room(room)
    again = room.join("again", spec)
    usage = run_room(room)["again"][-1]["usage"]
    assert again.token_ids == first.token_ids
    assert usage["cached_tokens"] == usage["prompt_tokens"] - 1


@pytest.mark.parametrize("change", ["conversation", "adapter"])
def test_a_beginning_is_never_taken_from_elsewhere(
    resident: ResidentModel, adapter: str, tmp_path: Path, change: str
) -> None:
    room = DecodeRoom(resident)
    room.join("one", conversation(resident, adapter, "hello there"))
    run_room(room)
    other = write_adapter(tmp_path / "other", resident, seed=2)
    spec = conversation(resident, adapter, "hello there")
    changes: dict[str, Callable[[], GenerationSpec]] = {
        "conversation": lambda: replace(spec, conversation="d"),
        "adapter": lambda: replace(spec, adapter_path=other),
    }
    room.join("two", changes[change]())
    assert run_room(room)["two"][-1]["usage"]["cached_tokens"] == 0


def test_a_changed_conversation_is_read_from_where_it_changed(
    resident: ResidentModel, adapter: str
) -> None:
    room = DecodeRoom(resident)
    room.join("one", conversation(resident, adapter, "hello there"))
    run_room(room)
    edited = conversation(resident, adapter, "hello, you")
    fresh = tokens_of(DecodeRoom(resident), [edited])[0]
    answer = room.join("two", edited)
    usage = run_room(room)["two"][-1]["usage"]
    assert answer.token_ids == fresh
    frame = len("<") + len("user\n")  # the marker is one token, then one for each byte
    assert usage["cached_tokens"] == frame + len("hello")


def test_remembered_beginnings_keep_to_their_limit(resident: ResidentModel) -> None:
    token_bytes = 2 * 2 * 2 * 4 * 4  # layers, keys and values, key heads, size, bytes
    room = DecodeRoom(resident, limits=RoomLimits(prefix_bytes=100 * token_bytes))
    for index in range(5):
        spec = make_generation_spec(resident.ref, f"question {index}")
        room.join("a", replace(spec, conversation=str(index)))
        run_room(room)
        assert room.prefixes.size_bytes <= 100 * token_bytes
    assert room.prefixes.size_bytes > 50 * token_bytes


def test_adapters_in_use_stay_and_the_idle_leave(resident: ResidentModel, tmp_path: Path) -> None:
    folders = [write_adapter(tmp_path / str(seed), resident, seed=seed) for seed in range(3)]
    loaded = LoadedAdapters(resident, make_stacks(resident), limit_bytes=1)
    used = loaded.acquire(folders[0], "")
    assert loaded.acquire(folders[0], used.digest) is used
    for folder in folders[1:]:
        loaded.release(loaded.acquire(folder, ""))
    assert len(loaded) == 1
    loaded.release(used)
    loaded.release(used)
    assert (len(loaded), loaded.size_bytes) == (0, 0)


def test_a_stack_grows_and_keeps_each_adapter(
    resident: ResidentModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.inference.adapter_stack._CHUNK_BYTES", {"cpu": 1})
    folders = [write_adapter(tmp_path / str(seed), resident, seed=seed) for seed in range(5)]
    specs = [make_generation_spec(resident.ref, adapter_path=folder) for folder in folders]
    alone = [tokens_of(DecodeRoom(resident), [spec])[0] for spec in specs]
    room = DecodeRoom(resident)
    assert tokens_of(room, specs) == alone
    assert tokens_of(room, specs[::-1]) == alone[::-1]


def test_keys_and_values_grow(resident: ResidentModel, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [
        make_generation_spec(resident.ref, f"say {index}", temperature=2, top_p=1, seed=index)
        for index in range(7)
    ]
    alone = [tokens_of(DecodeRoom(resident), [spec])[0] for spec in specs]
    monkeypatch.setattr("engine.inference.key_values._FIRST_BYTES", 1)
    assert tokens_of(DecodeRoom(resident), specs) == alone


def make_stacks(resident: ResidentModel) -> AdapterStacks:
    return AdapterStacks(
        resident.projection_shapes, resident.layer_count, torch.device("cpu"), torch.float32
    )


def weights_of(adapter: AdapterWeights) -> list[torch.Tensor]:
    return [tensor for block in adapter.blocks for weights in block for tensor in weights.tensors]


def test_adapters_change_places_and_keep_their_weights(
    resident: ResidentModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.inference.adapter_stack._CHUNK_BYTES", {"cpu": 1})
    folders = [Path(write_adapter(tmp_path / str(seed), resident, seed=seed)) for seed in range(4)]
    adapters = [read_adapter(folder, digest_of(folder), resident) for folder in folders]
    before = [[tensor.clone() for tensor in weights_of(adapter)] for adapter in adapters]
    stacks = make_stacks(resident)
    for adapter in adapters:
        stacks.hold(adapter)

    def check(kept: Sequence[int]) -> None:
        for index in kept:
            pairs = zip(before[index], weights_of(adapters[index]), strict=True)
            assert all(torch.equal(*pair) for pair in pairs)

    for index in (2, 0, 3):
        stacks.join(index, adapters[index])
        check(range(4))
    stacks.leave(0)
    stacks.drop(adapters[1])
    check([0, 2, 3])
    assert adapters[1].size_bytes == 0
    stacks.leave(2)
    stacks.drop(adapters[0])
    check([2, 3])
    # The users stand in the order of the rows, and one product has all of them.
    stacks.join("again", adapters[2])
    stacks.join("too", adapters[2])
    assert stacks.arrange() == [3, "again", "too"]


def test_an_adapter_is_held_once(resident: ResidentModel, tmp_path: Path) -> None:
    folder = Path(write_adapter(tmp_path / "one", resident, seed=1))
    adapter = read_adapter(folder, digest_of(folder), resident)
    stacks = make_stacks(resident)
    stacks.hold(adapter)
    homes = {tensor.untyped_storage().data_ptr() for tensor in weights_of(adapter)}
    stacks.join("row", adapter)
    stacks.leave("row")
    assert {tensor.untyped_storage().data_ptr() for tensor in weights_of(adapter)} == homes


def without_a_key(state: dict[str, torch.Tensor]) -> None:
    del state[next(key for key in state if "lora_B" in key)]


def with_a_key(state: dict[str, torch.Tensor]) -> None:
    state["base_model.model.model.embed_tokens.weight"] = torch.zeros(2, 2)


def with_a_shape(state: dict[str, torch.Tensor]) -> None:
    key = next(key for key in state if "q_proj.lora_A" in key)
    state[key] = torch.zeros(4, 17)


def with_whole_numbers(state: dict[str, torch.Tensor]) -> None:
    key = next(key for key in state if "q_proj.lora_A" in key)
    state[key] = state[key].long()


@pytest.mark.parametrize("spoil", [without_a_key, with_a_key, with_a_shape, with_whole_numbers])
def test_weights_that_do_not_fit_the_base_model_are_refused(
    resident: ResidentModel, adapter: str, spoil: Callable[[Any], None]
) -> None:
    path = Path(adapter) / "adapter_model.safetensors"
    state = load_file(path)
    spoil(state)
    save_file(state, path)
    with pytest.raises(AdapterError):
        read_adapter(Path(adapter), file_sha256(path), resident)


def test_a_changed_or_foreign_adapter_is_refused(resident: ResidentModel, adapter: str) -> None:
    with pytest.raises(AdapterError) as failure:
        read_adapter(Path(adapter), "0" * 64, resident)
    assert failure.value.params["reason"] == "changed"
    manifest = {"base_model": {"name": "other", "digest": "1" * 64}}
    (Path(adapter) / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AdapterError) as failure:
        read_adapter(Path(adapter), "0" * 64, resident)
    assert failure.value.params == {"reason": "other_base_model", "base_model": "other"}
