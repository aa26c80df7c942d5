"""What the engine process and its client say to each other: one JSON object a line over stdin and stdout.

Torch-free. Requests go to the engine, events come back. Every request that starts work carries a `work_id` chosen
by the client; every event of that work repeats it, and exactly one terminal event (`finished`, `failed`,
`cancelled`) ends it. Library output never reaches stdout: the server moves file descriptor 1 to stderr first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NotRequired, TypedDict, get_args

from engine.config import LoraHyperparameters, SamplingParams, TrainingHyperparameters
from engine.data.records import DatasetType

MAX_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is refused: a whole conversation fits many times."""

SAMPLE_MAX_TOKENS = 64
"""Of a sample answer of a training job: long enough for an answer of a lesson."""

Signal = Literal["cancel", "stop", "suspend"]
"""What can be said to work under way."""

Overflow = Literal["drop_oldest", "refuse"]

Stage = Literal["queued", "preparing", "baseline", "training", "evaluating", "saving"]


@dataclass(frozen=True, slots=True)
class BaseModelRef:
    """A base model as the worker found it on its disk.

    Attributes:
        name: public name, written into the adapter's manifest.
        path: folder with config.json, model.safetensors and tokenizer files.
        digest: sha256 of the weights' source, the identity of the base model.
    """

    name: str
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """One training job, complete: the engine needs nothing else.

    Attributes:
        base_model: what is tuned.
        dataset_path: JSONL of records in the shapes of engine.data.records.
        dataset_digest: sha256 of that file, for the manifest.
        dataset_type: shape of its records.
        output_dir: folder that the engine creates and fills; its manifest is written last.
        eval_dataset_path: JSONL to measure on; empty when the held-out examples come from the dataset itself.
        eval_dataset_digest, eval_dataset_type: of that file.
        sample_prompts: questions that the learning adapter answers at each evaluation.
        checkpoint_dir: where a job that is interrupted finds its checkpoints again; beside output_dir when empty.
    """

    base_model: BaseModelRef
    dataset_path: str
    dataset_digest: str
    dataset_type: DatasetType
    output_dir: str
    lora: LoraHyperparameters
    training: TrainingHyperparameters
    eval_dataset_path: str = ""
    eval_dataset_digest: str = ""
    eval_dataset_type: DatasetType = "instruction"
    sample_prompts: tuple[str, ...] = ()
    checkpoint_dir: str = ""


class ChatTurn(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class GenerationSpec:
    """One answer to draw.

    Attributes:
        base_model: the resident model that decodes.
        adapter_path: folder of a PEFT adapter, or None for the untouched base model.
        adapter_digest: sha256 of the adapter's weights: the key of the engine's adapter cache.
        turns: the conversation, ending with the user's turn.
        overflow: what happens to a conversation beyond the model's context (engine.inference.prompts): its oldest
            turns are left out, or it is refused.
        conversation: key of the conversation whose beginning the engine remembers with this adapter; empty for none.
        owner: key of the person who asks: when answers wait, owners take turns; empty for nobody in particular.
        scored_answer: text whose loss as the next turn is measured; then nothing is drawn.
    """

    base_model: BaseModelRef
    turns: list[ChatTurn]
    sampling: SamplingParams
    adapter_path: str | None = None
    adapter_digest: str = ""
    overflow: Overflow = "drop_oldest"
    conversation: str = ""
    owner: str = ""
    scored_answer: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One line to the engine.

    Attributes:
        type: train, generate, load (make a base model resident), measure (time a few passes of it), shutdown; and for
            work under way: cancel (throw it away), stop (finish a training job after this step, as a valid adapter),
            suspend (write a checkpoint after this step and end, to go on later).
    """

    type: Literal["train", "generate", "cancel", "stop", "suspend", "load", "measure", "shutdown"]
    work_id: str = ""
    body: dict[str, Any] = field(default_factory=dict)


class ReadyEvent(TypedDict):
    """First line of the engine: it can take requests."""

    type: Literal["ready"]
    pid: int
    device: str
    dtype: str
    device_name: str
    torch_version: str


class LoadedEvent(TypedDict):
    """Terminal event of a load request."""

    type: Literal["loaded"]
    work_id: str
    duration_seconds: float


class MeasuredEvent(TypedDict):
    """Terminal event of a measure request; `calibration` is what engine.training.calibration gives."""

    type: Literal["measured"]
    work_id: str
    calibration: dict[str, Any]


class StageEvent(TypedDict):
    """A training job enters a stage."""

    type: Literal["stage"]
    work_id: str
    stage: Stage


class PlanEvent(TypedDict):
    """Sent once, after the data is tokenised: what the job will do.

    truncated_count: examples whose question was shortened; cut_answer_count: examples whose answer alone was too
    long, so that its end is missing; dropped_count: examples left out. A resumed job starts at `resumed_step`, and
    its earlier steps and evaluations are told again before it goes on.
    """

    type: Literal["plan"]
    work_id: str
    total_steps: int
    total_epochs: int
    example_count: int
    eval_example_count: int
    truncated_count: int
    cut_answer_count: int
    dropped_count: int
    resumed_step: int
    token_count: int
    label_token_count: int
    trainable_parameters: int


class StepEvent(TypedDict):
    """One optimizer step done (1-based).

    loss is the mean over the step's label tokens; tokens_per_second counts dataset tokens since the last step;
    grad_norm is the norm before clipping; memory_bytes the most that the engine has held since the job began.
    """

    type: Literal["step"]
    work_id: str
    step: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float
    tokens_per_second: float
    duration_seconds: float
    memory_bytes: int


class CheckpointEvent(TypedDict):
    """The state after `step` steps stands in the checkpoint folder; `failed` where the disk had no space for it."""

    type: Literal["checkpoint"]
    work_id: str
    step: int
    failed: bool


class EvaluationEvent(TypedDict):
    """The held-out loss after `step` steps; step 0 is the untouched base model."""

    type: Literal["evaluation"]
    work_id: str
    step: int
    eval_loss: float
    is_best: bool


class SampleEvent(TypedDict):
    """What the adapter answers to the `index`th fixed prompt after `step` steps; greedy.

    finish_reason is `stop` at a stop token, `length` after SAMPLE_MAX_TOKENS or at the context's end.
    """

    type: Literal["sample"]
    work_id: str
    step: int
    index: int
    prompt: str
    text: str
    finish_reason: Literal["stop", "length"]


class TrainingFinished(TypedDict):
    """The adapter stands in output_dir, complete and synced."""

    type: Literal["finished"]
    work_id: str
    output_dir: str
    files: dict[str, str]
    adapter_digest: str
    size_bytes: int
    final_loss: float
    best_loss: float
    duration_seconds: float
    peak_memory_bytes: int
    adapter_step: int
    stopped_early: bool
    stopped_by_request: bool


class TopToken(TypedDict):
    token: str
    logprob: float


class TokenLogprob(TypedDict):
    """A drawn token, the natural logarithm of the model's probability of it, and the likeliest tokens there."""

    token: str
    logprob: float
    top: list[TopToken]


class TextEvent(TypedDict):
    """The next piece of an answer; never splits a character. logprobs, when asked for, are those of its tokens."""

    type: Literal["text"]
    work_id: str
    text: str
    logprobs: NotRequired[list[TokenLogprob]]


class WaitingEvent(TypedDict):
    """An answer waits for its place in the room; `position` 1 comes next. Told again whenever it changes."""

    type: Literal["waiting"]
    work_id: str
    position: int


class Usage(TypedDict):
    """Tokens of an answer.

    prompt_tokens count what was read and what was remembered, which is cached_tokens; dropped_turns of the conversation
    were left out for want of room. The stop token counts as completion.
    """

    prompt_tokens: int
    completion_tokens: int
    dropped_turns: int
    cached_tokens: int


class Timings(TypedDict):
    """first_token_seconds counts from the engine's receipt of the request; 0 when no token was drawn.

    path is `batched` in the room, `library` for models that it does not know, `llama.cpp` for few answers on a CPU;
    precision that of the base model's products, such as float32, int8 or Q8_0. backend names what drew the answer
    where that is not the engine's own room.
    """

    first_token_seconds: float
    duration_seconds: float
    tokens_per_second: float
    path: Literal["batched", "library", "llama.cpp"]
    precision: str
    backend: NotRequired[str]


class GenerationFinished(TypedDict):
    """finish_reason is `stop` at a stop token or stop text, `length` at max_tokens or the context's end.

    scored_loss, when an answer was given to score: nats per token, its end-of-turn token included.
    """

    type: Literal["finished"]
    work_id: str
    finish_reason: Literal["stop", "length"]
    usage: Usage
    timings: Timings
    scored_loss: NotRequired[float]


class FailedEvent(TypedDict):
    """code names an engine.errors class; params are the values of its sentence; detail is for the log only."""

    type: Literal["failed"]
    work_id: str
    code: str
    params: dict[str, Any]
    detail: str


class CancelledEvent(TypedDict):
    """Ended by request. `suspended` says that a checkpoint was left behind to go on from."""

    type: Literal["cancelled"]
    work_id: str
    usage: NotRequired[Usage]
    suspended: NotRequired[bool]


TERMINAL_TYPES = frozenset({"finished", "failed", "cancelled", "loaded", "measured"})


def training_body(spec: TrainingSpec) -> dict[str, Any]:
    return asdict(spec) | {"lora": spec.lora.to_dict(), "training": spec.training.to_dict()}


def read_training_spec(body: dict[str, Any]) -> TrainingSpec:
    return TrainingSpec(
        base_model=BaseModelRef(**body["base_model"]),
        dataset_path=body["dataset_path"],
        dataset_digest=body["dataset_digest"],
        dataset_type=body["dataset_type"],
        output_dir=body["output_dir"],
        lora=LoraHyperparameters.from_mapping(body["lora"]),
        training=TrainingHyperparameters.from_mapping(body["training"]),
        eval_dataset_path=body["eval_dataset_path"],
        eval_dataset_digest=body["eval_dataset_digest"],
        eval_dataset_type=body["eval_dataset_type"],
        sample_prompts=tuple(body["sample_prompts"]),
        checkpoint_dir=body["checkpoint_dir"],
    )


def generation_body(spec: GenerationSpec) -> dict[str, Any]:
    return asdict(spec) | {"sampling": spec.sampling.to_dict()}


def read_generation_spec(body: dict[str, Any]) -> GenerationSpec:
    return GenerationSpec(
        base_model=BaseModelRef(**body["base_model"]),
        turns=body["turns"],
        sampling=SamplingParams.from_mapping(body["sampling"]),
        adapter_path=body["adapter_path"],
        adapter_digest=body["adapter_digest"],
        overflow=_read_overflow(body.get("overflow", "drop_oldest")),
        conversation=str(body.get("conversation", "")),
        owner=str(body.get("owner", "")),
        scored_answer=str(body.get("scored_answer", "")),
    )


def _read_overflow(value: Any) -> Overflow:
    if value not in get_args(Overflow):
        raise ValueError(f"overflow {value!r}")
    overflow: Overflow = value
    return overflow
