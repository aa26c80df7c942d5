"""Finished adapters as PEFT's layers on a resident base model, for the library's way of decoding.

They are loaded once by digest, and the least used one leaves. Chats that are decoded together hold theirs in
engine.inference.loaded_adapters.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from engine.config import InvalidConfigError, LoraHyperparameters
from engine.errors import AdapterError
from engine.models.cache import file_sha256
from engine.models.lora import AdapterSet
from engine.protocol import BaseModelRef

DEFAULT_CAPACITY = 16
"""Adapters kept; at rank 8 on a 135-million-parameter model one takes ten megabytes."""


class AdapterCache:
    """Adapters by the sha256 of their weights.

    Args:
        capacity: most adapters kept; those in use stay beyond it.
    """

    def __init__(
        self, adapters: AdapterSet, base_model: BaseModelRef, capacity: int = DEFAULT_CAPACITY
    ) -> None:
        self._adapters = adapters
        self._base_model = base_model
        self._capacity = capacity
        self._names: OrderedDict[str, str] = OrderedDict()
        self._users: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._names)

    def acquire(self, path: str, digest: str) -> str:
        """The name of the adapter in `path` on the model, loaded when it is not there; give it back with release.

        Args:
            digest: sha256 of its weights; computed when empty.

        Raises:
            AdapterError: the folder is missing, incomplete, changed, or made for another base model.
        """
        folder = Path(path)
        weights = folder / "adapter_model.safetensors"
        digest = digest or digest_of(folder)
        if digest not in self._names:
            self._make_room()
            self._names[digest] = self._load(folder, weights, digest)
        self._names.move_to_end(digest)
        name = self._names[digest]
        self._users[name] += 1
        return name

    def release(self, name: str) -> None:
        """End one use; the adapter stays for the next."""
        self._users[name] -= 1

    def _make_room(self) -> None:
        idle = [digest for digest, name in self._names.items() if self._users[name] <= 0]
        while len(self._names) >= self._capacity and idle:
            name = self._names.pop(idle.pop(0))
            del self._users[name]
            self._adapters.delete(name)

    def _load(self, folder: Path, weights: Path, digest: str) -> str:
        lora = read_adapter_config(folder)
        check_base_model(folder, self._base_model)
        try:
            if file_sha256(weights) != digest:
                raise AdapterError(f"{weights} has another digest", reason="changed")
            state = load(weights.read_bytes())
        except (OSError, SafetensorError) as failure:
            raise AdapterError(f"{weights}: {failure}", reason="unreadable") from failure
        name = self._adapters.add(lora, seed=0)
        try:
            self._adapters.load_state_dict(name, state)
        except BaseException:
            self._adapters.delete(name)
            raise
        return name


def check_base_model(folder: Path, base_model: BaseModelRef) -> None:
    """Refuse an adapter whose manifest names another base model; one without a manifest passes.

    Raises:
        AdapterError: it was made for another base model, or its manifest is unreadable.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return
    made_for = _read_json(manifest).get("base_model")
    wanted = made_for.get("digest") if isinstance(made_for, dict) else None
    if wanted != base_model.digest:
        raise AdapterError(
            f"made for base model {wanted}",
            reason="other_base_model",
            base_model=str((made_for or {}).get("name", ""))[:100],
        )


def digest_of(folder: Path) -> str:
    """The sha256 of an adapter's weights.

    Raises:
        AdapterError: there are none.
    """
    weights = folder / "adapter_model.safetensors"
    if not weights.is_file():
        raise AdapterError(f"{weights} is missing", reason="missing")
    return file_sha256(weights)


def read_adapter_config(folder: Path) -> LoraHyperparameters:
    """The shape of an adapter from PEFT's adapter_config.json; only the fields that this engine writes are read.

    Raises:
        AdapterError: the file is missing, unreadable, or asks for something else than LoRA on linear layers.
    """
    config = _read_json(folder / "adapter_config.json")
    extras = (
        "modules_to_save", "layers_to_transform", "layer_replication",
        "target_parameters", "lora_bias", "fan_in_fan_out",
    )  # fmt: skip
    odd = [name for name in extras if config.get(name)]
    if config.get("peft_type") != "LORA" or odd:
        raise AdapterError(f"{folder} is not a plain LoRA adapter: {odd}", reason="unsupported")
    variant = "lora"
    if config.get("use_dora"):
        variant = "dora"
    elif config.get("use_rslora"):
        variant = "rslora"
    try:
        return LoraHyperparameters.from_mapping(
            {
                "r": config.get("r"),
                "alpha": config.get("lora_alpha"),
                "target_modules": config.get("target_modules"),
                "variant": variant,
                "bias": config.get("bias", "none"),
                "rank_pattern": config.get("rank_pattern") or {},
                "alpha_pattern": config.get("alpha_pattern") or {},
            }
        )
    except InvalidConfigError as failure:
        raise AdapterError(str(failure), reason="unsupported") from failure


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as failure:
        raise AdapterError(f"{path} is missing", reason="missing") from failure
    except (OSError, ValueError) as failure:
        raise AdapterError(f"{path}: {failure}", reason="unreadable") from failure
    if not isinstance(value, dict):
        raise AdapterError(f"{path} is not an object", reason="unreadable")
    return value
