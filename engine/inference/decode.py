"""Tokens drawn one by one from a resident model, for chats and for the samples of a training job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers import DynamicCache

from engine.config import SamplingParams
from engine.inference.sampling import Sampler
from engine.models.loading import ResidentModel

PREFILL_TOKENS = {"cpu": 256, "cuda": 4096, "mps": 1024}
"""Prompt tokens read in one step: part of a second on a CPU, so that other work and a cancel get in between."""


def decode(
    resident: ResidentModel, adapter: str | None, prompt: Sequence[int], sampling: SamplingParams
) -> Iterator[int | None]:
    """Read the prompt and draw tokens: None after each part of the prompt but the last, then every token.

    The last token is a stop token unless max_tokens or the context's end came first.

    Args:
        adapter: its name on the model; None for the untouched base model.
        prompt: token ids, shorter than the model's context.
    """
    cache = DynamicCache(config=resident.model.config)
    chunk = PREFILL_TOKENS[resident.device.kind]
    for start in range(0, len(prompt), chunk):
        if start:
            yield None
        logits = _forward(resident, adapter, prompt[start : start + chunk], cache)
    sampler = Sampler(sampling)
    room = min(sampling.max_tokens, resident.context_length - len(prompt))
    token_id = 0
    for index in range(room):
        if index:
            logits = _forward(resident, adapter, [token_id], cache)
        token_id = sampler.draw(logits)
        yield token_id
        if token_id in resident.chat_format.stop_ids:
            return


def _forward(
    resident: ResidentModel, adapter: str | None, token_ids: Sequence[int], cache: DynamicCache
) -> torch.Tensor:
    """Logits after the last of `token_ids`, (vocabulary,); the cache grows by them."""
    resident.adapters.activate(adapter)
    ids = torch.tensor([list(token_ids)], device=resident.device.torch_device)
    # Not inference_mode: a base model loaded in here could never be trained on.
    with torch.no_grad():
        hidden = resident.decoder(
            input_ids=ids, past_key_values=cache, use_cache=True
        ).last_hidden_state
        last: torch.Tensor = hidden[0, -1]
        return last @ resident.head_weight.T
