"""Every hyperparameter: its type, range, default, label and consequence, each stated once.

Torch-free. The HTML form, the API schema, the model defaults and the documentation read from here. Labels and
help are English message ids; the web side translates them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Linear layers of a Llama-family block, in order of computation."""

ALL_LINEAR = "all-linear"
"""Short for every entry of TARGET_MODULES."""

MODULE_SETS: dict[str, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "feed-forward": ("gate_proj", "up_proj", "down_proj"),
    ALL_LINEAR: TARGET_MODULES,
}
"""Short names for several target modules, legal wherever their names are."""

Kind = Literal["integer", "number", "choice", "modules", "pattern", "strings"]


def _(message: str) -> str:
    """Mark a message for translation; the web side translates it when it is shown."""
    return message


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one hyperparameter may be, and what it does.

    Attributes:
        kind: how the value is read.
        minimum: smallest legal value, inclusive; of a pattern, of each of its values.
        maximum: largest legal value, inclusive.
        is_integer: whether the values of a pattern are whole numbers.
        most_items, most_characters: of a tuple of strings.
        choices: legal values of a choice.
        label: its name, an English message id.
        help: one sentence on its consequence, an English message id.
        advanced: shown only in the advanced form.
    """

    kind: Kind
    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False
    is_integer: bool = False
    most_items: int = 0
    most_characters: int = 0


class InvalidValueError(ValueError):
    """One hyperparameter is outside what it may be."""

    def __init__(self, name: str, reason: str, **params: Any) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason
        self.params = params


class InvalidConfigError(ValueError):
    """All faults of one configuration, told together."""

    def __init__(self, faults: list[InvalidValueError]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults


def _parameter(default: Any, **spec: Any) -> Any:
    metadata = {"parameter": Parameter(**spec)}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


class _Settings:
    """Shared reading and checking of the frozen settings below."""

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        return {item.name: item.metadata["parameter"] for item in fields(cls)}  # type: ignore[arg-type]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values; missing ones take the default.

        Raises:
            InvalidConfigError: with every unknown name and every value out of range.
        """
        known = cls.parameters()
        faults = [InvalidValueError(name, "unknown") for name in values if name not in known]
        clean: dict[str, Any] = {}
        for name, parameter in known.items():
            if name not in values:
                continue
            try:
                clean[name] = read_value(name, parameter, values[name])
            except InvalidValueError as fault:
                faults.append(fault)
        if faults:
            raise InvalidConfigError(faults)
        return cls(**clean)

    def to_dict(self) -> dict[str, Any]:
        """JSON values, the inverse of from_mapping."""
        plain = asdict(self)  # type: ignore[call-overload]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in plain.items()
        }


def read_value(name: str, parameter: Parameter, value: Any) -> Any:
    """One value checked against its Parameter.

    Raises:
        InvalidValueError: reason is one of not_a_number, not_an_integer, out_of_range, not_a_choice, no_modules,
            not_a_pattern, not_strings, too_many, too_long.
    """
    if parameter.kind == "choice":
        if value not in parameter.choices:
            raise InvalidValueError(name, "not_a_choice", choices=list(parameter.choices))
        return value
    if parameter.kind == "modules":
        return _read_modules(name, value)
    if parameter.kind == "pattern":
        return _read_pattern(name, parameter, value)
    if parameter.kind == "strings":
        return _read_strings(name, parameter, value)
    return _read_number(name, parameter, value, is_integer=parameter.kind == "integer")


def _read_number(name: str, parameter: Parameter, value: Any, *, is_integer: bool) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValueError(name, "not_a_number")
    # A whole number of any length is finite, and may be too long for a float.
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidValueError(name, "not_a_number")
    if is_integer and value != int(value):
        raise InvalidValueError(name, "not_an_integer")
    low, high = parameter.minimum, parameter.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise InvalidValueError(name, "out_of_range", minimum=low, maximum=high)
    return int(value) if is_integer else float(value)


def _read_modules(name: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Iterable):
        raise InvalidValueError(name, "not_a_choice", choices=[*TARGET_MODULES, *MODULE_SETS])
    chosen: set[str] = set()
    for item in names:
        if not isinstance(item, str) or item not in (*TARGET_MODULES, *MODULE_SETS):
            raise InvalidValueError(name, "not_a_choice", choices=[*TARGET_MODULES, *MODULE_SETS])
        chosen.update(MODULE_SETS.get(item, (item,)))
    if not chosen:
        raise InvalidValueError(name, "no_modules")
    return tuple(module for module in TARGET_MODULES if module in chosen)


def _read_pattern(name: str, parameter: Parameter, value: Any) -> dict[str, int | float]:
    if not isinstance(value, Mapping):
        raise InvalidValueError(name, "not_a_pattern", choices=list(TARGET_MODULES))
    if any(module not in TARGET_MODULES for module in value):
        raise InvalidValueError(name, "not_a_choice", choices=list(TARGET_MODULES))
    return {
        module: _read_number(name, parameter, value[module], is_integer=parameter.is_integer)
        for module in TARGET_MODULES
        if module in value
    }


def _read_strings(name: str, parameter: Parameter, value: Any) -> tuple[str, ...]:
    """Strings without the empty ones and without repetitions, in their order."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise InvalidValueError(name, "not_strings")
    kept = tuple(dict.fromkeys(text for text in texts if text))
    if len(kept) > parameter.most_items:
        raise InvalidValueError(name, "too_many", maximum=parameter.most_items)
    if any(len(text) > parameter.most_characters for text in kept):
        raise InvalidValueError(name, "too_long", maximum=parameter.most_characters)
    return kept


@dataclass(frozen=True, slots=True)
class LoraHyperparameters(_Settings):
    """The shape of the adapter (Hu et al. 2021, arXiv 2106.09685, section 4.1)."""

    r: int = _parameter(
        8,
        kind="integer",
        minimum=1,
        maximum=512,
        label=_("Rank"),
        help=_(
            "How much the adapter can change: a higher rank learns more detail and takes more memory."
        ),
    )
    alpha: float = _parameter(
        16.0,
        kind="number",
        minimum=1,
        maximum=1024,
        label=_("Alpha"),
        help=_(
            "How strongly the adapter speaks: its output is scaled by alpha divided by rank. Twice the rank is usual."
        ),
    )
    dropout: float = _parameter(
        0.0,
        kind="number",
        minimum=0,
        maximum=0.9,
        label=_("Dropout"),
        help=_(
            "The share of adapter inputs switched off at random while training; it slows learning by heart."
        ),
        advanced=True,
    )
    target_modules: tuple[str, ...] = _parameter(
        TARGET_MODULES,
        kind="modules",
        label=_("Target layers"),
        help=_("Which layers get an adapter. All seven learn fastest; fewer make a smaller file."),
        advanced=True,
    )
    variant: str = _parameter(
        "lora",
        kind="choice",
        choices=("lora", "rslora", "dora", "qlora"),
        label=_("Variant"),
        help=_(
            "LoRA is the standard. rsLoRA keeps high ranks stable; DoRA learns size and direction apart and is slower; "
            "QLoRA packs the base model into four bits and needs an NVIDIA GPU."
        ),
        advanced=True,
    )
    bias: str = _parameter(
        "none",
        kind="choice",
        choices=("none", "lora_only", "all"),
        label=_("Biases"),
        help=_(
            "Which biases of the base model learn too: none, those of the target layers, or all. "
            "A model without biases, such as SmolLM2, has nothing to learn there."
        ),
        advanced=True,
    )
    rank_pattern: dict[str, int] = _parameter(
        {},
        kind="pattern",
        minimum=1,
        maximum=512,
        is_integer=True,
        label=_("Rank by layer"),
        help=_("Another rank for single layers, for example: q_proj=16, down_proj=4."),
        advanced=True,
    )
    alpha_pattern: dict[str, float] = _parameter(
        {},
        kind="pattern",
        minimum=1,
        maximum=1024,
        label=_("Alpha by layer"),
        help=_("Another alpha for single layers, for example: q_proj=32."),
        advanced=True,
    )

    def rank_of(self, module: str) -> int:
        """The rank of one target module."""
        return self.rank_pattern.get(module, self.r)


@dataclass(frozen=True, slots=True)
class TrainingHyperparameters(_Settings):
    """How the adapter is trained."""

    learning_rate: float = _parameter(
        1e-3,
        kind="number",
        minimum=1e-6,
        maximum=1e-1,
        label=_("Learning rate"),
        help=_(
            "How far each step moves the adapter. Too low changes nothing, too high destroys what the model knows."
        ),
    )
    num_epochs: int = _parameter(
        5,
        kind="integer",
        minimum=1,
        maximum=100,
        label=_("Epochs"),
        help=_("How often every example is seen. More epochs learn more by heart and take longer."),
    )
    batch_size: int = _parameter(
        4,
        kind="integer",
        minimum=1,
        maximum=128,
        label=_("Batch size"),
        help=_(
            "Examples behind one step. A larger batch gives calmer steps, but fewer of them; memory does not limit it."
        ),
    )
    max_length: int = _parameter(
        512,
        kind="integer",
        minimum=64,
        maximum=4096,
        label=_("Maximum length"),
        help=_(
            "Tokens per example. More take more memory and time; longer examples are shortened or left out."
        ),
    )
    overlong: str = _parameter(
        "keep_answer",
        kind="choice",
        choices=("keep_answer", "drop"),
        label=_("Examples that are too long"),
        help=_(
            "Shorten the question and keep the answer, or leave the whole example out. Both are counted and shown."
        ),
        advanced=True,
    )
    gradient_accumulation_steps: int = _parameter(
        1,
        kind="integer",
        minimum=1,
        maximum=128,
        label=_("Gradient accumulation"),
        help=_(
            "Batches summed up before one step: the effect of a larger batch without its memory."
        ),
        advanced=True,
    )
    warmup_ratio: float = _parameter(
        0.1,
        kind="number",
        minimum=0,
        maximum=0.9,
        label=_("Warm-up"),
        help=_(
            "The share of steps in which the learning rate rises from zero, so that the first steps do no harm."
        ),
        advanced=True,
    )
    weight_decay: float = _parameter(
        0.0,
        kind="number",
        minimum=0,
        maximum=1,
        label=_("Weight decay"),
        help=_(
            "Pulls the adapter's weights towards zero at each step; a little helps against learning by heart."
        ),
        advanced=True,
    )
    max_grad_norm: float = _parameter(
        1.0,
        kind="number",
        minimum=0,
        maximum=100,
        label=_("Gradient clipping"),
        help=_(
            "Longer gradients are shortened to this length, which tames outliers. 0 switches it off."
        ),
        advanced=True,
    )
    optimizer: str = _parameter(
        "adamw",
        kind="choice",
        choices=("adamw", "adafactor"),
        label=_("Optimizer"),
        help=_(
            "AdamW is the standard. Adafactor keeps far less beside each weight: for high ranks on little memory."
        ),
        advanced=True,
    )
    lr_scheduler: str = _parameter(
        "cosine",
        kind="choice",
        choices=("constant", "linear", "cosine"),
        label=_("Learning-rate schedule"),
        help=_(
            "How the learning rate goes after the warm-up: it stays, falls in a line, or falls in a soft curve."
        ),
        advanced=True,
    )
    logging_steps: int = _parameter(
        1,
        kind="integer",
        minimum=1,
        maximum=1000,
        label=_("Logging interval"),
        help=_("Steps between two points of the curves."),
        advanced=True,
    )
    save_steps: int = _parameter(
        500,
        kind="integer",
        minimum=1,
        maximum=100000,
        label=_("Checkpoint interval"),
        help=_(
            "Steps between two saved copies of the adapter on the worker; the last two are kept."
        ),
        advanced=True,
    )
    eval_fraction: float = _parameter(
        0.0,
        kind="number",
        minimum=0,
        maximum=0.5,
        label=_("Held-out share"),
        help=_(
            "The share of examples kept out of training to measure, after each epoch, what was truly learned."
        ),
        advanced=True,
    )
    eval_steps: int = _parameter(
        0,
        kind="integer",
        minimum=0,
        maximum=100000,
        label=_("Evaluation interval"),
        help=_(
            "Steps between two measurements on the held-out examples. 0 measures after each epoch."
        ),
        advanced=True,
    )
    kept_adapter: str = _parameter(
        "best",
        kind="choice",
        choices=("best", "last"),
        label=_("Adapter to keep"),
        help=_(
            "The one with the lowest held-out loss, or that of the last step. Without held-out examples it is the last."
        ),
        advanced=True,
    )
    early_stopping_patience: int = _parameter(
        0,
        kind="integer",
        minimum=0,
        maximum=100,
        label=_("Early stopping"),
        help=_(
            "Stop after this many evaluations without a better held-out loss. 0 never stops early."
        ),
        advanced=True,
    )
    gradient_checkpointing: str = _parameter(
        "auto",
        kind="choice",
        choices=("auto", "on", "off"),
        label=_("Gradient checkpointing"),
        help=_(
            "Compute each block twice to hold less in memory: a third slower. Auto does it only when memory is short."
        ),
        advanced=True,
    )
    seed: int = _parameter(
        42,
        kind="integer",
        minimum=0,
        maximum=2**32 - 1,
        label=_("Seed"),
        help=_("The same seed and settings repeat the same training; 0 is a seed like any other."),
        advanced=True,
    )

    @property
    def effective_batch_size(self) -> int:
        """Examples behind one optimizer step."""
        return self.batch_size * self.gradient_accumulation_steps


@dataclass(frozen=True, slots=True)
class SamplingParams(_Settings):
    """How an answer is drawn from the model's distribution."""

    temperature: float = _parameter(
        0.7,
        kind="number",
        minimum=0,
        maximum=2,
        label=_("Temperature"),
        help=_("0 always takes the likeliest token; higher values vary more."),
    )
    top_p: float = _parameter(
        0.95,
        kind="number",
        minimum=0.01,
        maximum=1,
        label=_("Top-p"),
        help=_("Draws only from the likeliest tokens that together reach this probability."),
    )
    max_tokens: int = _parameter(
        256,
        kind="integer",
        minimum=1,
        maximum=4096,
        label=_("Maximum tokens"),
        help=_("The answer is cut after this many tokens."),
    )
    seed: int = _parameter(
        0,
        kind="integer",
        minimum=0,
        maximum=2**32 - 1,
        label=_("Seed"),
        help=_("The same seed, settings and conversation give the same answer."),
    )
    top_k: int = _parameter(
        0,
        kind="integer",
        minimum=0,
        maximum=1000,
        label=_("Top-k"),
        help=_("Draws only from this many of the likeliest tokens. 0 sets no limit."),
        advanced=True,
    )
    repetition_penalty: float = _parameter(
        1.0,
        kind="number",
        minimum=0.5,
        maximum=2,
        label=_("Repetition penalty"),
        help=_(
            "Above 1, tokens that stand in the conversation already become less likely; 1 changes nothing."
        ),
        advanced=True,
    )
    stop: tuple[str, ...] = _parameter(
        (),
        kind="strings",
        most_items=4,
        most_characters=64,
        label=_("Stop texts"),
        help=_("The answer ends before the first of these texts, at most four."),
        advanced=True,
    )
    logprobs: int = _parameter(
        0,
        kind="integer",
        minimum=0,
        maximum=5,
        label=_("Log-probabilities"),
        help=_(
            "Shows for every token how sure the model was, and this many likeliest alternatives. 0 shows nothing."
        ),
        advanced=True,
    )


def steps_per_epoch(example_count: int, training: TrainingHyperparameters) -> int:
    """Optimizer steps in one epoch; the last, smaller batch counts as a step."""
    return max(1, math.ceil(example_count / training.effective_batch_size))


def held_out_count(example_count: int, eval_fraction: float) -> int:
    """Examples kept out of training: at least one when asked for, and at least one is left to learn from."""
    if eval_fraction <= 0 or example_count < 2:
        return 0
    return min(example_count - 1, max(1, round(example_count * eval_fraction)))


def trainable_parameter_count(
    lora: LoraHyperparameters, shapes: Mapping[str, tuple[int, int]], layer_count: int
) -> int:
    """Parameters of the adapter: r * (inputs + outputs) per target layer (arXiv 2106.09685, section 4.2).

    Args:
        lora: ranks, targets and variant; DoRA adds one magnitude per output (arXiv 2402.09353, section 4). Trained
            biases are not counted: they are the base model's own.
        shapes: module name to (inputs, outputs) of one block.
        layer_count: number of blocks.
    """
    total = 0
    for module in lora.target_modules:
        inputs, outputs = shapes[module]
        total += lora.rank_of(module) * (inputs + outputs)
        total += outputs if lora.variant == "dora" else 0
    return total * layer_count
