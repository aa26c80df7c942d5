"""Random adapters as PEFT's folders, and PEFT's own answers to hold those of the room against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from engine.config import LoraHyperparameters
from engine.data.records import Turn
from engine.inference.answer import Event
from engine.inference.room import DecodeRoom
from engine.models.loading import ResidentModel
from engine.models.lora import peft_config
from engine.protocol import GenerationSpec


def write_adapter(
    folder: Path, resident: ResidentModel, *, seed: int, strength: float = 0.3, **lora: Any
) -> str:
    """Write an adapter of random weights as PEFT reads it; returns the folder.

    Args:
        strength: of B, which decides how far the answers move from the base model's.
        lora: values of LoraHyperparameters.
    """
    shape = LoraHyperparameters.from_mapping({"r": 4, "alpha": 8} | lora)
    name = resident.adapters.add(shape, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    state = resident.adapters.state_dict(name)
    resident.adapters.delete(name)
    for key, tensor in state.items():
        noise = torch.randn(tensor.shape, generator=generator)
        if "lora_B" in key:
            tensor.copy_(noise * strength)
        elif "magnitude" in key:
            tensor.mul_(1 + 0.2 * noise)
        elif "bias" in key:
            tensor.add_(noise * strength)
    folder.mkdir(parents=True)
    save_file(state, folder / "adapter_model.safetensors")
    peft_config(shape, resident.ref.name).save_pretrained(folder)
    return str(folder)


class PeftAnswers:
    """Greedy answers of transformers and PEFT, one after another."""

    def __init__(self, resident: ResidentModel, folders: Sequence[str]) -> None:
        self._resident = resident
        self._model: Any = AutoModelForCausalLM.from_pretrained(
            resident.ref.path, dtype=torch.float32
        )
        self._folders = folders
        for index, folder in enumerate(folders):
            if index:
                self._model.load_adapter(folder, adapter_name=str(index))
            else:
                self._model = PeftModel.from_pretrained(self._model, folder, adapter_name="0")

    def tokens(self, spec: GenerationSpec) -> list[int]:
        """With the stop token, where one was drawn."""
        turns = [Turn(turn["role"], turn["content"], False) for turn in spec.turns]
        prompt = torch.tensor([self._resident.chat_format.prompt(turns)])
        stop_ids = sorted(self._resident.chat_format.stop_ids)
        options = {
            "do_sample": False, "max_new_tokens": spec.sampling.max_tokens,
            "eos_token_id": stop_ids, "pad_token_id": stop_ids[0],
            "attention_mask": torch.ones_like(prompt),
        }  # fmt: skip
        if spec.adapter_path is None:
            with self._model.disable_adapter():
                drawn = self._model.generate(input_ids=prompt, **options)
        else:
            self._model.set_adapter(str(self._folders.index(spec.adapter_path)))
            drawn = self._model.generate(input_ids=prompt, **options)
        tokens: list[int] = drawn[0, prompt.shape[1] :].tolist()
        return tokens


def run_room(room: DecodeRoom) -> dict[str, list[Event]]:
    """Step until nobody is left; the events by work_id."""
    events: dict[str, list[Event]] = {}
    while not room.is_idle:
        for event in room.step():
            events.setdefault(event["work_id"], []).append(event)
    return events


def text_of(events: Sequence[Event]) -> str:
    return "".join(event["text"] for event in events if event["type"] == "text")


def tokens_of(room: DecodeRoom, specs: Sequence[GenerationSpec]) -> list[list[int]]:
    """The tokens of requests that all come at once; each must end well."""
    answers = [room.join(str(index), spec) for index, spec in enumerate(specs)]
    events = run_room(room)
    assert all(events[answer.work_id][-1]["type"] == "finished" for answer in answers)
    return [answer.token_ids for answer in answers]
