"""A conversation as token ids that fit into the model's context, by a rule that everybody can check.

The rule: the system turns and the last turn always stay. While prompt and answer together do not fit, the oldest turns
are left out in pairs, a question with what was answered to it. For the answer, max_tokens are kept free, but no more
than a quarter of the context. When the last turn alone does not fit, or when nothing may be left out, the request is
refused. Contents are tokenised with special tokens switched off: markers of the template in a text stay text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.chat_template import ChatFormat
from engine.data.records import Example, Turn
from engine.errors import PromptTooLongError, UnsupportedModelError
from engine.protocol import ChatTurn, GenerationSpec


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads.

    Attributes:
        token_ids: of the conversation; with a scored answer, of that as well.
        scored: positions in token_ids that the loss of a scored answer is measured on; empty when one is drawn.
        dropped_turns: left out for want of room.
    """

    token_ids: list[int]
    scored: list[int]
    dropped_turns: int


def read_prompt(spec: GenerationSpec, chat_format: ChatFormat, context_length: int) -> Prompt:
    """The prompt of a request.

    Raises:
        PromptTooLongError: it does not fit by the rule above.
        UnsupportedModelError: the chat template renders nothing.
        DatasetError: the chat template refuses these turns.
    """
    turns = [_turn(turn) for turn in spec.turns]
    free = 0 if spec.scored_answer else min(spec.sampling.max_tokens, context_length // 4)
    pairs = _oldest_pairs(turns) if spec.overflow == "drop_oldest" else []

    def read(dropped: int) -> Prompt:
        left_out = {index for pair in pairs[:dropped] for index in pair}
        kept = [turn for index, turn in enumerate(turns) if index not in left_out]
        return _tokenized(kept, spec.scored_answer, chat_format, len(left_out))

    def fits(prompt: Prompt) -> bool:
        return len(prompt.token_ids) + free <= context_length

    prompt = read(0)
    if not prompt.token_ids:
        raise UnsupportedModelError("the chat template renders nothing")
    if fits(prompt):
        return prompt
    least = read(len(pairs))
    if not fits(least):
        raise PromptTooLongError(prompt_tokens=len(least.token_ids), context_length=context_length)
    low, high, found = 1, len(pairs), least
    while low < high:
        middle = (low + high) // 2
        prompt = read(middle)
        if fits(prompt):
            high, found = middle, prompt
        else:
            low = middle + 1
    return found


def _turn(turn: ChatTurn) -> Turn:
    return Turn(turn["role"], turn["content"], False)


def _oldest_pairs(turns: Sequence[Turn]) -> list[list[int]]:
    """Turns that may be left out, oldest first, each question with what follows it up to the next."""
    pairs: list[list[int]] = []
    for index, turn in enumerate(turns[:-1]):
        if turn.role == "system":
            continue
        if turn.role == "user" or not pairs:
            pairs.append([])
        pairs[-1].append(index)
    return pairs


def _tokenized(
    turns: Sequence[Turn], answer: str, chat_format: ChatFormat, dropped_turns: int
) -> Prompt:
    if not answer:
        return Prompt(chat_format.prompt(turns), [], dropped_turns)
    scored = chat_format.tokenize(Example((*turns, Turn("assistant", answer, True))))
    positions = [index for index, is_label in enumerate(scored.is_label) if is_label]
    # What follows the end of the turn is no part of it.
    return Prompt(scored.input_ids[: positions[-1] + 1], positions, dropped_turns)
