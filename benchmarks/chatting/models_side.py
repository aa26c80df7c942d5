"""One model for each job, as a side of the chat benchmark: what another model with its adapter takes.

Its weights are private memory: read as float32 from bfloat16, the precision in which the model is published. (Models
that are read unchanged from one file share its pages until something writes to them; a merged adapter does.)
"""

from __future__ import annotations

import tempfile
from pathlib import Path
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

    def memory(self) -> dict[str, int]:
        """Bytes that each model after the first adds, once it has answered."""
        models, sizes = [], []
        with tempfile.TemporaryDirectory() as folder:
            published = AutoModelForCausalLM.from_pretrained(
                self._setup.model["path"], dtype=torch.bfloat16
            )
            published.save_pretrained(folder)
            del published
            for student in range(_COUNT):
                models.append(self._model(Path(folder), student))
                _answer(models[-1])
                forget_peak(is_trimmed=True)
                sizes.append(peak_bytes())
        return {"one_model_bytes": (sizes[-1] - sizes[0]) // (_COUNT - 1)}

    def _model(self, folder: Path, student: int) -> Any:
        base: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        base.generation_config.eos_token_id = None
        return PeftModel.from_pretrained(base, str(self._setup.adapter(student))).eval()


def _answer(model: Any) -> None:
    ids = torch.ones(1, PROMPT_TOKENS, dtype=torch.int64)
    with torch.no_grad():
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=ANSWER_TOKENS,
            pad_token_id=0,
        )
