"""One model for each job, as a side of the chat benchmark: what models with an adapter each take beside each other.

Their weights are private memory: read as float32 from bfloat16, the precision in which the model is published. (Models
that are read unchanged from one file share its pages until something writes to them; a merged adapter does.)
"""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from benchmarks.chatting.plan import ANSWER_TOKENS, PROMPT_TOKENS, Setup
from benchmarks.training.memory import forget_peak, peak_bytes

_COUNT = 3


def make(setup: Setup) -> ModelsSide:
    return ModelsSide(setup)


class ModelsSide:
    """Models beside each other in one process, each with one adapter."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._bytes_before = peak_bytes()

    def publish(self, folder: str) -> None:
        """Write the base model in bfloat16; in a process of its own, whose memory is not measured."""
        published = AutoModelForCausalLM.from_pretrained(
            self._setup.model["path"], dtype=torch.bfloat16
        )
        published.save_pretrained(folder)

    def memory(self, folder: str) -> dict[str, int]:
        """Bytes that the first model and each one after it add, with the keys and values of an answer of each."""
        held: list[Any] = []
        sizes = [self._bytes_before]
        for student in range(_COUNT):
            model = self._model(folder, student)
            held.append((model, _answer(model)))
            forget_peak(is_trimmed=True)
            sizes.append(peak_bytes())
        return {
            "first_model_bytes": sizes[1] - sizes[0],
            "one_model_bytes": (sizes[-1] - sizes[1]) // (_COUNT - 1),
        }

    def _model(self, folder: str, student: int) -> Any:
        base: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        base.generation_config.eos_token_id = None
        return PeftModel.from_pretrained(base, str(self._setup.adapter(student))).eval()


def _answer(model: Any) -> Any:
    """Keys and values at the end of an answer."""
    ids = torch.ones(1, PROMPT_TOKENS, dtype=torch.int64)
    with torch.no_grad():
        return model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=ANSWER_TOKENS,
            pad_token_id=0,
            return_dict_in_generate=True,
        ).past_key_values
