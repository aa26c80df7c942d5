"""The packed passes against the library's own model: the same loss and the same gradient, however they are cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from engine.config import LoraHyperparameters
from engine.data.batching import MicroBatch, Row, micro_batches
from engine.models import attention, tiles
from engine.models.decoder import PackedDecoder
from engine.models.layers import gated_unit, rms_norm, rotary
from engine.models.loading import ModelHost, ResidentModel
from engine.models.products import ONEDNN, TORCH, choose_products, remembered_products
from engine.models.scores import attend_plain
from engine.tests.exact_library import compute_in_double
from engine.tests.factories import make_tiny_base_model
from engine.training.passes import AdaptedModel, learn, measure

Change = Callable[[pytest.MonkeyPatch], None]
TOLERANCE = 1e-10


def outcome(work: Generator[None, None, Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def make_rows(count: int = 6, shared: int = 4) -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    rows = []
    for index in range(count):
        length = 8 + 5 * index
        ids = torch.randint(3, 259, (length,), generator=generator).tolist()
        ids[:shared] = range(10, 10 + shared)
        rows.append(Row(ids, [position >= length // 2 for position in range(length)]))
    return rows


class Bench:
    """A model in float64 with an adapter whose every weight does something."""

    def __init__(self, resident: ResidentModel, **lora: Any) -> None:
        shape = LoraHyperparameters.from_mapping({"r": 4} | lora)
        self.resident = resident
        self.name = resident.adapters.add(shape, seed=0)
        compute_in_double(resident.model)
        self.parameters = resident.adapters.parameters(self.name)
        generator = torch.Generator().manual_seed(1)
        for parameter in self.parameters:
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.data = parameter.data.double().add_(noise, alpha=0.05)
        resident.adapters.activate(None)
        resident.adapters.activate(self.name, is_training=True)
        # Made anew, since the weights were replaced.
        self.decoder = PackedDecoder(resident.decoder, TORCH)

    @property
    def model(self) -> AdaptedModel:
        biases = self.resident.adapters.biases(self.name)
        blocks = self.decoder.blocks(self.name, biases)
        return AdaptedModel(self.decoder, blocks, self.resident.head_weight)

    def ours(
        self, rows: list[Row], max_tokens: int = 10_000, *, share: bool = True, **options: Any
    ) -> tuple[float, torch.Tensor]:
        for parameter in self.parameters:
            parameter.grad = None
        total = sum(row.label_count for row in rows)
        batches = micro_batches(rows, max_tokens, share_prefix=share)
        loss = sum(outcome(learn(self.model, batch, total, **options)) for batch in batches)
        return loss, self.gradient()

    def library(self, rows: list[Row]) -> tuple[float, torch.Tensor]:
        """Each example alone through transformers and PEFT, every position scored."""
        for parameter in self.parameters:
            parameter.grad = None
        total = sum(row.label_count for row in rows)
        loss_sum = 0.0
        for row in rows:
            ids = torch.tensor([row.input_ids])
            labels = ids[0, 1:].masked_fill(~torch.tensor(row.is_label)[1:], -100)
            logits = self.resident.model(ids).logits[0, :-1]
            loss = functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")
            (loss / total).backward()
            loss_sum += float(loss.detach())
        return loss_sum, self.gradient()

    def gradient(self) -> torch.Tensor:
        assert all(parameter.grad is not None for parameter in self.parameters)
        return torch.cat([p.grad.flatten() for p in self.parameters if p.grad is not None])


def assert_same(found: tuple[float, torch.Tensor], wanted: tuple[float, torch.Tensor]) -> None:
    assert found[0] == pytest.approx(wanted[0], rel=TOLERANCE)
    assert (found[1] - wanted[1]).abs().max() < TOLERANCE * wanted[1].abs().max()


@pytest.mark.parametrize(
    "lora",
    [
        {},
        {"variant": "rslora", "alpha": 20},
        {"variant": "dora"},
        {"target_modules": ["k_proj", "up_proj"]},
        {"target_modules": ["v_proj", "down_proj"], "variant": "dora"},
        {"rank_pattern": {"q_proj": 2, "gate_proj": 7}, "alpha_pattern": {"up_proj": 3}},
    ],
)
def test_loss_and_gradient_equal_the_library_s(
    resident: ResidentModel, lora: dict[str, Any]
) -> None:
    bench, rows = Bench(resident, **lora), make_rows()
    wanted = bench.library(rows)
    assert_same(bench.ours(rows), wanted)
    assert_same(bench.ours(rows, share=False), wanted)


@pytest.mark.parametrize("bias", ["lora_only", "all"])
def test_trained_biases_equal_the_library_s(host: ModelHost, tmp_path: Path, bias: str) -> None:
    resident = host.acquire(make_tiny_base_model(tmp_path / "base", kind="qwen2"))
    bench = Bench(resident, bias=bias, target_modules=["q_proj", "o_proj"])
    learned = len(resident.adapters.biases(bench.name))
    assert learned == resident.layer_count * (1 if bias == "lora_only" else 3)
    assert_same(bench.ours(make_rows()), bench.library(make_rows()))


def test_any_cut_into_micro_batches_gives_the_same_gradient(resident: ResidentModel) -> None:
    bench, rows = Bench(resident), make_rows()
    whole = bench.ours(rows)
    for max_tokens in (1, 30, 64):
        assert_same(bench.ours(rows, max_tokens), whole)


def test_blocks_computed_twice_give_the_same_gradient(resident: ResidentModel) -> None:
    bench, rows = Bench(resident), make_rows()
    assert_same(bench.ours(rows, recompute=True), bench.ours(rows))


def test_dropped_inputs_are_the_same_when_a_block_is_computed_twice(
    resident: ResidentModel,
) -> None:
    bench, rows = Bench(resident, dropout=0.3), make_rows()
    found = [
        bench.ours(
            rows, share=False, recompute=recompute, generator=torch.Generator().manual_seed(seed)
        )
        for recompute, seed in ((False, 0), (True, 0), (False, 1))
    ]
    assert_same(found[0], found[1])
    assert found[0][0] != found[2][0]


def test_dropout_leaves_the_expectation(resident: ResidentModel) -> None:
    bench, rows = Bench(resident, dropout=0.2), make_rows(2)
    generator = torch.Generator().manual_seed(0)
    draws = [bench.ours(rows, share=False, generator=generator)[0] for _ in range(60)]
    without = bench.ours(rows)[0]
    assert sum(draws) / len(draws) == pytest.approx(without, rel=0.02)


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(tiles, "TILE", 3),
        lambda patch: patch.setattr(attention, "TILED_KEYS", 0),
    ],
    ids=["small tiles", "fused"],
)
def test_every_way_of_attention_gives_the_same_gradient(
    resident: ResidentModel, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    bench, rows = Bench(resident), make_rows()
    wanted = bench.library(rows)
    change(monkeypatch)
    assert_same(bench.ours(rows), wanted)
    assert_same(bench.ours(rows, share=False), wanted)
    even = [Row(row.input_ids[:8], row.is_label[:8]) for row in make_rows(3)]
    assert_same(bench.ours([even[0], even[0]]), bench.library([even[0], even[0]]))


def test_the_plain_attention_gives_the_same_gradient(
    resident: ResidentModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, rows = Bench(resident), make_rows()
    wanted = bench.library(rows)
    monkeypatch.setattr(attention, "TILED_KEYS", 0)
    bench.decoder = PackedDecoder(resident.decoder, TORCH, is_attention_fused=False)
    assert_same(bench.ours(rows), wanted)
    query = torch.randn(2, 4, 5, 8)
    assert torch.allclose(
        attend_plain(query, query[:, :2], query[:, :2], is_causal=True, enable_gqa=True),
        functional.scaled_dot_product_attention(
            query, query[:, :2], query[:, :2], is_causal=True, enable_gqa=True
        ),
        atol=1e-6,
    )


def test_a_neighbour_does_not_move_an_example_s_loss(resident: ResidentModel) -> None:
    bench = Bench(resident)
    rows = make_rows(3)
    changed = [rows[0], Row([200] * 20, rows[2].is_label[:20]), rows[2]]
    alone = outcome(measure(bench.model, micro_batches([rows[0]], 1000)[0]))
    losses = []
    for neighbours in (rows, changed):
        others = sum(
            outcome(measure(bench.model, micro_batches([row], 1000)[0])) for row in neighbours[1:]
        )
        (together,) = micro_batches(neighbours, 1000)
        losses.append(outcome(measure(bench.model, together)) - others)
    assert losses == pytest.approx([alone, alone], rel=1e-9)


@pytest.mark.parametrize("tiled_keys", [attention.TILED_KEYS, 0], ids=["tiled", "fused"])
def test_a_changed_token_moves_nothing_before_it_and_no_other_example(
    resident: ResidentModel, monkeypatch: pytest.MonkeyPatch, tiled_keys: int
) -> None:
    monkeypatch.setattr(attention, "TILED_KEYS", tiled_keys)
    bench = Bench(resident)
    (batch,) = micro_batches(make_rows(), 10_000)
    assert batch.prefix_length
    place = batch.prefix_length + sum(batch.row_lengths[:2]) + 5
    end = batch.prefix_length + sum(batch.row_lengths[:3])
    changed = replace(batch, input_ids=batch.input_ids.clone())
    changed.input_ids[place] += 1
    before, after = (hidden_states(bench.model, each) for each in (batch, changed))
    moved = (before != after).any(dim=1).nonzero().flatten().tolist()
    assert moved == list(range(place, end))


def hidden_states(model: AdaptedModel, batch: MicroBatch) -> torch.Tensor:
    hidden = model.decoder.embed(batch)
    around = model.decoder.surroundings(batch, hidden)
    for block in model.blocks:
        hidden = block(hidden, around)
    return hidden.detach()


def test_tokens_without_label_after_the_last_label_do_not_move_the_loss(
    resident: ResidentModel,
) -> None:
    bench, row = Bench(resident), make_rows(1)[0]
    is_label = [False, True, True, False, False]
    losses = [
        outcome(measure(bench.model, micro_batches([Row(ids, is_label)], 100)[0]))
        for ids in (list(row.input_ids[:5]), [*row.input_ids[:3], 9, 9])
    ]
    assert losses[0] == losses[1]


def test_measuring_takes_no_gradient_and_gives_the_learned_loss(resident: ResidentModel) -> None:
    bench, rows = Bench(resident), make_rows()
    loss, _ = bench.ours(rows)
    for parameter in bench.parameters:
        parameter.grad = None
    (batch,) = micro_batches(rows, 10_000)
    assert outcome(measure(bench.model, batch)) == pytest.approx(loss, rel=TOLERANCE)
    assert all(parameter.grad is None for parameter in bench.parameters)


def test_the_base_model_never_takes_a_gradient(resident: ResidentModel) -> None:
    bench = Bench(resident)
    bench.ours(make_rows())
    own = set(map(id, bench.parameters))
    assert all(p.grad is None for p in resident.model.parameters() if id(p) not in own)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (gated_unit, [(3, 8)]),
        (lambda x: rms_norm(x, torch.linspace(0.5, 1.5, 6, dtype=torch.float64), 1e-5), [(4, 6)]),
        (
            lambda x: rotary(
                x, torch.rand(3, 1, 2, dtype=torch.float64), torch.rand(3, 1, 2).double(), 2
            ),
            [(3, 12)],
        ),
    ],
    ids=["gated unit", "rms norm", "rotary"],
)
def test_hand_written_gradients_are_right(
    function: Callable[..., torch.Tensor], shapes: list[tuple[int, ...]]
) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in shapes
    ]

    def repeatable(*values: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return function(*values)

    assert torch.autograd.gradcheck(repeatable, inputs)


def test_the_chosen_products_are_right() -> None:
    products = choose_products("cpu")
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(37, 24, generator=generator)
    weight = torch.randn(40, 24, generator=generator)
    exact = values.double() @ weight.double().t()
    assert torch.allclose(products.linear(values, weight).double(), exact, atol=1e-4)
    back = exact.float()
    assert torch.allclose(products.times(back, weight), back @ weight, atol=1e-2)
    assert products.linear(values[:0], weight).shape == (0, 40)
    assert choose_products("mps") is TORCH


def test_a_host_keeps_to_the_way_it_chose_first(tmp_path: Path) -> None:
    """Two ways differ in the last bit: a job that goes on in another process must not change its way."""
    memory = tmp_path / "products.json"
    first = remembered_products("cpu", "Zen", memory)
    other = ONEDNN if first is TORCH else TORCH
    memory.write_text(json.dumps(json.loads(memory.read_text()) | {"products": other.name}))
    assert remembered_products("cpu", "Zen", memory) is other
    remembered_products("cpu", "another processor", memory)
    assert '"another processor"' in memory.read_text()
    memory.write_text("{")
    assert remembered_products("mps", "Zen", memory) is TORCH
    assert [path.name for path in tmp_path.iterdir()] == [memory.name]
