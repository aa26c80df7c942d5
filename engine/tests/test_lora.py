from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.config import LoraHyperparameters, trainable_parameter_count
from engine.errors import AdapterError
from engine.inference.adapter_cache import AdapterCache
from engine.models.loading import ResidentModel

IDS = torch.tensor([[1, 40, 41, 42, 43]])


def logits(resident: ResidentModel) -> torch.Tensor:
    with torch.no_grad():
        return torch.as_tensor(resident.model(IDS).logits)


def shake(resident: ResidentModel, name: str, seed: int) -> None:
    """Make the adapter do something: every weight gets noise."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in resident.adapters.parameters(name):
        parameter.data.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
def test_the_number_of_trained_weights_is_the_promised_one(
    resident: ResidentModel, variant: str
) -> None:
    lora = LoraHyperparameters(
        r=3, variant=variant, target_modules=("q_proj", "k_proj", "down_proj")
    )
    name = resident.adapters.add(lora, seed=0)
    resident.adapters.activate(name, is_training=True)
    trained = [p for p in resident.model.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) == trainable_parameter_count(
        lora, resident.module_shapes, resident.layer_count
    )
    assert sorted(map(id, trained)) == sorted(map(id, resident.adapters.parameters(name)))


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
def test_a_fresh_adapter_changes_nothing(resident: ResidentModel, variant: str) -> None:
    before = logits(resident)
    name = resident.adapters.add(LoraHyperparameters(variant=variant), seed=0)
    assert torch.equal(logits(resident), before)
    resident.adapters.activate(name)
    assert torch.allclose(logits(resident), before, atol=1e-5)


def test_adapters_of_other_shapes_share_one_base_model(resident: ResidentModel) -> None:
    bare = logits(resident)
    names = [
        resident.adapters.add(LoraHyperparameters(r=2, target_modules=("q_proj",)), seed=0),
        resident.adapters.add(LoraHyperparameters(r=5, variant="rslora"), seed=1),
    ]
    found = {}
    for name in names:
        shake(resident, name, 0)
        resident.adapters.activate(name)
        found[name] = logits(resident)
    resident.adapters.activate(names[0])
    assert torch.equal(logits(resident), found[names[0]])
    assert not torch.allclose(found[names[0]], found[names[1]])
    resident.adapters.delete(names[1])
    resident.adapters.activate(names[0])
    assert torch.equal(logits(resident), found[names[0]])
    resident.adapters.activate(None)
    assert torch.equal(logits(resident), bare)


def test_only_the_adapter_in_training_takes_gradients(resident: ResidentModel) -> None:
    names = [resident.adapters.add(LoraHyperparameters(r=2), seed=seed) for seed in (0, 1)]
    resident.adapters.activate(names[0], is_training=True)
    resident.adapters.activate(names[1])
    assert not any(p.requires_grad for p in resident.model.parameters())
    resident.adapters.activate(names[0], is_training=True)
    assert not any(p.requires_grad for p in resident.adapters.parameters(names[1]))
    assert all(p.requires_grad for p in resident.adapters.parameters(names[0]))


def test_dropout_is_on_in_training_only(resident: ResidentModel) -> None:
    name = resident.adapters.add(LoraHyperparameters(r=2, dropout=0.5), seed=0)
    shake(resident, name, 0)
    resident.adapters.activate(name)
    assert torch.equal(logits(resident), logits(resident))
    resident.adapters.activate(name, is_training=True)
    assert not torch.equal(logits(resident), logits(resident))


def test_the_seed_decides_the_first_weights_and_leaves_the_global_one(
    resident: ResidentModel,
) -> None:
    before = torch.get_rng_state()
    names = [resident.adapters.add(LoraHyperparameters(r=2), seed=seed) for seed in (0, 0, 1)]
    states = [resident.adapters.state_dict(name) for name in names]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_foreign_weights_are_refused(resident: ResidentModel) -> None:
    name = resident.adapters.add(LoraHyperparameters(r=2), seed=0)
    state = resident.adapters.state_dict(name)
    key = next(iter(state))
    for wrong in ({}, state | {"more": torch.zeros(1)}, state | {key: torch.zeros(1, 1)}):
        with pytest.raises(AdapterError):
            resident.adapters.load_state_dict(name, wrong)


def test_the_adapter_cache_loads_once_and_lets_the_idle_go(
    resident: ResidentModel, tmp_path: Path
) -> None:
    from engine.export.peft_adapter import write_weights
    from engine.models.cache import file_sha256

    lora = LoraHyperparameters(r=2)
    cache = AdapterCache(resident.adapters, resident.ref, capacity=2)
    digests = []
    for index in range(3):
        name = resident.adapters.add(lora, seed=index)
        folder = tmp_path / str(index)
        folder.mkdir()
        write_weights(folder, resident.adapters.state_dict(name), lora, "tiny")
        resident.adapters.delete(name)
        digests.append(file_sha256(folder / "adapter_model.safetensors"))
    held = cache.acquire(str(tmp_path / "0"), digests[0])
    assert cache.acquire(str(tmp_path / "0"), digests[0]) == held
    cache.release(cache.acquire(str(tmp_path / "1"), digests[1]))
    cache.release(cache.acquire(str(tmp_path / "2"), digests[2]))
    assert len(cache) == 2
    assert held in resident.adapters.names
    with pytest.raises(AdapterError):
        cache.acquire(str(tmp_path / "1"), digests[2][::-1])
    with pytest.raises(AdapterError):
        cache.acquire(str(tmp_path / "none"), "")
