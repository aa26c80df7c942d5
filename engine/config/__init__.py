"""Every hyperparameter: its type, range, default, label and consequence, each stated once.

Torch-free. The HTML form, the API schema, the model defaults and the documentation read from here, through the names
below. Labels and help are English message ids; the web side translates them.
"""

from engine.config.counts import held_out_count, steps_per_epoch, trainable_parameter_count
from engine.config.lora import LoraHyperparameters
from engine.config.modules import MODULE_SETS, TARGET_MODULES
from engine.config.parameters import Parameter
from engine.config.reading import InvalidConfigError, InvalidValueError, read_value
from engine.config.sampling import SamplingParams
from engine.config.training import TrainingHyperparameters

__all__ = [
    "MODULE_SETS",
    "TARGET_MODULES",
    "InvalidConfigError",
    "InvalidValueError",
    "LoraHyperparameters",
    "Parameter",
    "SamplingParams",
    "TrainingHyperparameters",
    "held_out_count",
    "read_value",
    "steps_per_epoch",
    "trainable_parameter_count",
]
