"""PEFT on transformers as a side of the chat benchmark: one adapter after another, or all named in one batch."""

from __future__ import annotations

import time
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.chatting.plan import STUDENTS, Prompt, Run, Setup
from benchmarks.training.memory import forget_peak, peak_bytes


def make(setup: Setup) -> PeftSide:
    return PeftSide(setup)


class _Clock:
    """Told of every token by `generate`; the first call brings the prompt."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._has_prompt = False
        self.times: list[float] = []

    def put(self, tokens: torch.Tensor) -> None:
        if self._has_prompt:
            self.times.append(time.perf_counter() - self._started)
        self._has_prompt = True

    def end(self) -> None:
        """Nothing is left to tell."""


class PeftSide:
    """The base model with every student's adapter on it."""

    def __init__(self, setup: Setup) -> None:
        base: Any = AutoModelForCausalLM.from_pretrained(setup.model["path"], dtype=torch.float32)
        # Every answer is drawn to its full length.
        base.generation_config.eos_token_id = None
        self._tokenizer = AutoTokenizer.from_pretrained(setup.model["path"])
        self._model: Any = PeftModel.from_pretrained(
            base, str(setup.adapter(0)), adapter_name="student-0"
        )
        for student in range(1, STUDENTS):
            self._model.load_adapter(str(setup.adapter(student)), adapter_name=f"student-{student}")
        self._model.eval()
        self._answers: list[list[int]] = []

    def beginnings(self, tokens: int) -> list[str]:
        """The first tokens of the answers of the last run as text, without a character that is not whole."""
        return [self._decode(answer[:tokens]).rstrip("\ufffd") for answer in self._answers]

    def run(self, prompts: list[dict[str, Any]], tokens: int, *, is_batched: bool = False) -> Run:
        """All students ask at once; each has an adapter of its own, read before."""
        ids = [Prompt(**prompt).token_ids for prompt in prompts]
        way = self._batch if is_batched else self._one_by_one
        way(ids[:2], 2)
        forget_peak(is_trimmed=False)
        times, answers = way(ids, tokens)
        self._answers = answers
        texts = [self._decode(answer) for answer in answers]
        return Run(times, [len(answer) for answer in answers], texts, peak_bytes())

    def _decode(self, token_ids: list[int]) -> str:
        text: str = self._tokenizer.decode(
            token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _one_by_one(
        self, prompts: list[list[int]], tokens: int
    ) -> tuple[list[list[float]], list[list[int]]]:
        times, answers = [], []
        started = time.perf_counter()
        for student, prompt in enumerate(prompts):
            self._model.set_adapter(f"student-{student}")
            clock = _Clock(started)
            answers += self._generate([prompt], tokens, clock)
            times.append(clock.times)
        return times, answers

    def _batch(
        self, prompts: list[list[int]], tokens: int
    ) -> tuple[list[list[float]], list[list[int]]]:
        names = [f"student-{student}" for student in range(len(prompts))]
        clock = _Clock(time.perf_counter())
        answers = self._generate(prompts, tokens, clock, adapter_names=names)
        return [clock.times] * len(prompts), answers

    def _generate(
        self, prompts: list[list[int]], tokens: int, clock: _Clock, **options: Any
    ) -> list[list[int]]:
        ids = torch.tensor(prompts)
        with torch.no_grad():
            found = self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=tokens,
                pad_token_id=0,
                streamer=clock,
                **options,
            )
        answers: list[list[int]] = found[:, ids.shape[1] :].tolist()
        return answers
