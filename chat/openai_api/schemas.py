"""Requests and answers of the protocol. Fields of a request that are not named here are ignored."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Field, Schema

from engine.config import Parameter, SamplingParams

MAX_BODY_BYTES = 512 * 1024
"""Far more than any context here holds, even with each character written as an escape."""
MAX_MESSAGES = 1000
MAX_NAME_CHARACTERS = 300

_PARAMETERS = SamplingParams.parameters()


def _documented(description: str = "", **schema: Any) -> Any:
    """An optional field whose value `reading` checks, with a sentence for what may be wrong with it."""
    return Field(default=None, description=description or None, json_schema_extra=schema)


def _sampled(name: str) -> Any:
    """A field that is a sampling parameter under the same name; its range and meaning stand at the parameter."""
    parameter: Parameter = _PARAMETERS[name]
    return _documented(
        parameter.help,
        type=parameter.kind,
        minimum=parameter.minimum,
        maximum=parameter.maximum,
    )


class MessageRequest(Schema):
    role: Literal["system", "developer", "user", "assistant"]
    content: Any = _documented(
        "Text, or a list of parts such as {type: text, text: …}",
        anyOf=[{"type": "string"}, {"type": "array", "items": {"type": "object"}}],
    )


class CompletionRequest(Schema):
    model: str = Field(
        max_length=MAX_NAME_CHARACTERS,
        description="A base model's name, or job-<id> of a completed job; GET /v1/models lists them",
    )
    messages: list[MessageRequest] = Field(
        min_length=1,
        max_length=MAX_MESSAGES,
        description="The conversation; its last message is the user's",
    )
    temperature: Any = _sampled("temperature")
    top_p: Any = _sampled("top_p")
    max_tokens: Any = _sampled("max_tokens")
    max_completion_tokens: Any = _documented("The newer name of max_tokens", type="integer")
    seed: Any = _documented(
        "The same seed gives the same answer; without one each answer is drawn anew", type="integer"
    )
    stop: Any = _documented(
        "The answer ends before the first of these texts; at most four",
        anyOf=[{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    )
    top_k: Any = _sampled("top_k")
    repetition_penalty: Any = _sampled("repetition_penalty")
    stream: Any = _documented("Send the answer piece by piece, as events", type="boolean")
    stream_options: Any = _documented("{include_usage: true} tells the usage last", type="object")
    logprobs: Any = _documented("Tell the log-probability of every token", type="boolean")
    top_logprobs: Any = _documented(
        "With logprobs: so many of the likeliest tokens", type="integer", minimum=0, maximum=5
    )
    n: Any = _documented("Only 1", type="integer")
    presence_penalty: Any = _documented("Only 0", type="number")
    frequency_penalty: Any = _documented("Only 0", type="number")
    response_format: Any = _documented("Only {type: text}", type="object")
    logit_bias: Any = _documented("Only empty", type="object")
    tools: Any = _documented("Only empty", type="array", items={"type": "object"})
    functions: Any = _documented("Only empty", type="array", items={"type": "object"})


class LikelyToken(Schema):
    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(LikelyToken):
    top_logprobs: list[LikelyToken]


class Logprobs(Schema):
    content: list[TokenLogprob]


class AnswerMessage(Schema):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(Schema):
    index: int = 0
    message: AnswerMessage
    logprobs: Logprobs | None
    finish_reason: Literal["stop", "length"]


class PromptTokens(Schema):
    cached_tokens: int


class Usage(Schema):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens
    dropped_turns: int = Field(
        description="Oldest turns that were left out, because the conversation is longer than the model's context"
    )


class Completion(Schema):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage
    timings: dict[str, Any]


class ModelSchema(Schema):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    name: str = Field(description="What people call it")


class ModelList(Schema):
    object: Literal["list"] = "list"
    data: list[ModelSchema]


class ErrorDetail(Schema):
    message: str = Field(description="What happened, why and what to do, in the caller's language")
    type: str
    param: str | None
    code: str | None


class ErrorBody(Schema):
    """The body of every answer that is not a success."""

    error: ErrorDetail
