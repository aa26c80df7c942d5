"""Tokens drawn one by one the library's way: for samples of a training job, and for chats with other model types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers import DynamicCache

from engine.config import SamplingParams
from engine.errors import AdapterError
from engine.inference.limits import READ_TOKENS
from engine.inference.prompts import Prompt
from engine.inference.sampling import Sampler
from engine.models.loading import ResidentModel


def decode(
    resident: ResidentModel, adapter: str | None, prompt: Sequence[int], sampling: SamplingParams
) -> Iterator[int | None]:
    """Read the prompt and draw tokens: None after each part of the prompt but the last, then every token.

    The last token is a stop token unless max_tokens or the context's end came first.

    Args:
        adapter: its name on the model; None for the untouched base model.
        prompt: token ids, shorter than the model's context.

    Raises:
        AdapterError: the logits are no numbers.
    """
    for drawn in decode_with_logits(resident, adapter, prompt, sampling):
        yield None if drawn is None else drawn[0]


def decode_with_logits(
    resident: ResidentModel, adapter: str | None, prompt: Sequence[int], sampling: SamplingParams
) -> Iterator[tuple[int, torch.Tensor] | None]:
    """The same, with the logits that each token was drawn from, (vocabulary,)."""
    cache = DynamicCache(config=resident.model.config)
    chunk = READ_TOKENS[resident.device.kind]
    for start in range(0, len(prompt), chunk):
        if start:
            yield None
        hidden = _forward(resident, adapter, prompt[start : start + chunk], cache)
    sampler = Sampler(sampling, prompt)
    room = min(sampling.max_tokens, resident.context_length - len(prompt))
    token_id = 0
    for index in range(room):
        if index:
            hidden = _forward(resident, adapter, [token_id], cache)
        logits = resident.logits(hidden[-1])
        drawn = sampler.draw(logits)
        if drawn is None:
            raise AdapterError("the logits are no numbers", reason="not_finite")
        token_id = drawn
        yield token_id, logits
        if token_id in resident.chat_format.stop_ids:
            return


def score(resident: ResidentModel, adapter: str | None, prompt: Prompt) -> Iterator[float | None]:
    """The loss of a scored answer in nats per token, at last; None after each part of the reading before it."""
    cache = DynamicCache(config=resident.model.config)
    chunk = READ_TOKENS[resident.device.kind]
    total = 0.0
    for start in range(0, len(prompt.token_ids) - 1, chunk):
        if start:
            yield None
        part = prompt.token_ids[start : min(start + chunk, len(prompt.token_ids) - 1)]
        hidden = _forward(resident, adapter, part, cache)
        places = [place for place in prompt.scored if start < place <= start + len(part)]
        if places:
            rows = hidden[[place - 1 - start for place in places]]
            labels = torch.tensor([prompt.token_ids[place] for place in places])
            logits = resident.logits(rows).float()
            loss = torch.nn.functional.cross_entropy(
                logits, labels.to(logits.device), reduction="sum"
            )
            total += float(loss)
    yield total / len(prompt.scored)


def _forward(
    resident: ResidentModel, adapter: str | None, token_ids: Sequence[int], cache: DynamicCache
) -> torch.Tensor:
    """Hidden states of `token_ids`, (tokens, hidden size); the cache grows by them."""
    resident.adapters.activate(adapter)
    ids = torch.tensor([list(token_ids)], device=resident.device.torch_device)
    # Not inference_mode: a base model loaded in here could never be trained on.
    with torch.no_grad():
        output = resident.decoder(input_ids=ids, past_key_values=cache, use_cache=True)
        hidden: torch.Tensor = output.last_hidden_state[0]
        return hidden
