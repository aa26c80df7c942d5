"""How an adapter is trained."""

from __future__ import annotations

from dataclasses import dataclass

from engine.config.parameters import parameter
from engine.config.settings import Settings
from engine.marking import _


@dataclass(frozen=True, slots=True)
class TrainingHyperparameters(Settings):
    """How the adapter is trained."""

    learning_rate: float = parameter(
        1e-3,
        kind="number",
        minimum=1e-6,
        maximum=1e-1,
        label=_("Learning rate"),
        help=_(
            "How far each step moves the adapter. Too low changes nothing, too high destroys what the model knows."
        ),
    )
    num_epochs: int = parameter(
        5,
        kind="integer",
        minimum=1,
        maximum=100,
        label=_("Epochs"),
        help=_("How often every example is seen. More epochs learn more by heart and take longer."),
    )
    batch_size: int = parameter(
        4,
        kind="integer",
        minimum=1,
        maximum=128,
        label=_("Batch size"),
        help=_(
            "Examples behind one step. A larger batch gives calmer steps, but fewer of them; memory does not limit it."
        ),
    )
    max_length: int = parameter(
        512,
        kind="integer",
        minimum=64,
        maximum=4096,
        label=_("Maximum length"),
        help=_(
            "Tokens per example. More take more memory and time; longer examples are shortened or left out."
        ),
    )
    overlong: str = parameter(
        "keep_answer",
        kind="choice",
        choices=("keep_answer", "drop"),
        label=_("Examples that are too long"),
        help=_(
            "Shorten the question and keep the answer, or leave the whole example out. Both are counted and shown."
        ),
        advanced=True,
    )
    gradient_accumulation_steps: int = parameter(
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
    warmup_ratio: float = parameter(
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
    weight_decay: float = parameter(
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
    max_grad_norm: float = parameter(
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
    optimizer: str = parameter(
        "adamw",
        kind="choice",
        choices=("adamw", "adafactor"),
        label=_("Optimizer"),
        help=_(
            "AdamW is the standard. Adafactor keeps far less beside each weight: for high ranks on little memory."
        ),
        advanced=True,
    )
    lr_scheduler: str = parameter(
        "cosine",
        kind="choice",
        choices=("constant", "linear", "cosine"),
        label=_("Learning-rate schedule"),
        help=_(
            "How the learning rate goes after the warm-up: it stays, falls in a line, or falls in a soft curve."
        ),
        advanced=True,
    )
    logging_steps: int = parameter(
        1,
        kind="integer",
        minimum=1,
        maximum=1000,
        label=_("Logging interval"),
        help=_("Steps between two points of the curves."),
        advanced=True,
    )
    save_steps: int = parameter(
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
    eval_fraction: float = parameter(
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
    eval_steps: int = parameter(
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
    kept_adapter: str = parameter(
        "best",
        kind="choice",
        choices=("best", "last"),
        label=_("Adapter to keep"),
        help=_(
            "The one with the lowest held-out loss, or that of the last step. Without held-out examples it is the last."
        ),
        advanced=True,
    )
    early_stopping_patience: int = parameter(
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
    gradient_checkpointing: str = parameter(
        "auto",
        kind="choice",
        choices=("auto", "on", "off"),
        label=_("Gradient checkpointing"),
        help=_(
            "Compute each block twice to hold less in memory: a third slower. Auto does it only when memory is short."
        ),
        advanced=True,
    )
    seed: int = parameter(
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
