from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.data.batching import Row, collate, micro_batches
from engine.errors import CancelledError
from engine.models.loading import ResidentModel
from engine.training.loss import label_loss_sum
from engine.training.schedule import learning_rate_at


def make_rows(count: int = 6) -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    rows = []
    for index in range(count):
        length = 5 + 4 * index
        ids = torch.randint(3, 259, (length,), generator=generator).tolist()
        rows.append(Row(ids, [position >= length // 2 for position in range(length)]))
    return rows


def in_double(resident: ResidentModel) -> list[torch.nn.Parameter]:
    """An adapter whose B is not zero, all in float64."""
    name = resident.adapters.add(LoraHyperparameters(r=4), seed=0)
    resident.model.double()
    resident.adapters.activate(name, is_training=True)
    parameters = resident.adapters.parameters(name)
    generator = torch.Generator().manual_seed(1)
    for parameter in parameters:
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data.add_(noise, alpha=0.05)
    return parameters


def gradient(
    resident: ResidentModel, parameters: list[torch.nn.Parameter], rows: list[Row], max_tokens: int
) -> torch.Tensor:
    for parameter in parameters:
        parameter.grad = None
    total = sum(row.label_count for row in rows)
    for batch in micro_batches(rows, max_tokens):
        loss = label_loss_sum(resident.decoder, resident.head_weight, batch)
        (loss / total).backward()
    return torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])


def test_any_cut_into_micro_batches_gives_the_same_gradient(resident: ResidentModel) -> None:
    parameters, rows = in_double(resident), make_rows()
    whole = gradient(resident, parameters, rows, 10_000)
    for max_tokens in (1, 40, 64):
        part = gradient(resident, parameters, rows, max_tokens)
        assert (part - whole).abs().max() < 1e-10 * whole.abs().max()


def test_loss_and_gradient_equal_the_library_s_over_all_positions(resident: ResidentModel) -> None:
    parameters, rows = in_double(resident), make_rows()
    batch = collate(rows)
    logits = resident.model(batch.input_ids, attention_mask=batch.attention_mask).logits
    expected = functional.cross_entropy(
        logits.flatten(0, 1), batch.labels.flatten(), ignore_index=-100, reduction="sum"
    )
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(expected, parameters)])
    loss = label_loss_sum(resident.decoder, resident.head_weight, batch)
    assert torch.allclose(loss, expected, rtol=1e-12)
    found = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])
    assert (found - wanted).abs().max() < 1e-10 * wanted.abs().max()


def test_tokens_without_label_after_the_last_label_do_not_move_the_loss(
    resident: ResidentModel,
) -> None:
    row = make_rows(1)[0]
    is_label = [False, True, True, False, False]
    first = collate([Row(row.input_ids, is_label)])
    second = collate([Row([*row.input_ids[:3], 9, 9], is_label)])
    losses = [
        label_loss_sum(resident.decoder, resident.head_weight, batch) for batch in (first, second)
    ]
    assert torch.equal(*losses)


def test_a_neighbour_in_the_micro_batch_does_not_move_the_loss(resident: ResidentModel) -> None:
    rows = make_rows(3)
    together = label_loss_sum(resident.decoder, resident.head_weight, collate(rows))
    alone = [
        float(label_loss_sum(resident.decoder, resident.head_weight, collate([row])))
        for row in rows
    ]
    assert float(together) == pytest.approx(sum(alone), rel=1e-5)


def test_a_cancel_is_heard_between_chunks(resident: ResidentModel) -> None:
    def check() -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        label_loss_sum(resident.decoder, resident.head_weight, collate(make_rows()), check)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # peak 1, 2 warm-up steps of 10: 1/2, 1, then by the share of the other 8 that is done
        ("constant", [0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
    ],
)
def test_schedules(name: str, expected: list[float]) -> None:
    training = TrainingHyperparameters(learning_rate=0.1, warmup_ratio=0.2, lr_scheduler=name)
    rates = [learning_rate_at(step, 10, training) / 0.1 for step in range(1, 11)]
    assert rates == pytest.approx(expected)


def test_the_cosine_passes_its_middle_and_falls() -> None:
    training = TrainingHyperparameters(learning_rate=1e-3, warmup_ratio=0.2, lr_scheduler="cosine")
    rates = [learning_rate_at(step, 10, training) for step in range(1, 11)]
    assert rates[6] == pytest.approx(0.5e-3)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] > 0


def test_a_job_of_one_step_moves_at_full_rate() -> None:
    for ratio in (0.0, 0.9):
        training = TrainingHyperparameters(learning_rate=1e-3, warmup_ratio=ratio)
        assert learning_rate_at(1, 1, training) == 1e-3
