"""A small base model that has read the courses: what it learns, it learns like a real one, in seconds a job.

A model of random weights goes on finding out about letters for as long as it is trained. One that knows them learns
examples by heart, and its held-out loss rises again.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from courses.starter import CONTENT_FOLDER
from engine.tests.factories import make_tiny_base_model

STEPS = 400
ROWS = 16
WIDTH = 128
LEARNING_RATE = 3e-3


def make_stand_in(folder: Path) -> None:
    """Write the model's folder; some half a minute."""
    make_tiny_base_model(
        folder,
        seed=3,
        context_length=2048,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        head_dim=16,
        initializer_range=0.1,
    )
    model = AutoModelForCausalLM.from_pretrained(folder)
    token_ids = _course_tokens(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        starts = torch.randint(len(token_ids) - WIDTH, (ROWS,), generator=generator).tolist()
        rows = torch.stack([token_ids[start : start + WIDTH] for start in starts])
        optimizer.zero_grad()
        model(rows, labels=rows).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)


def _course_tokens(folder: Path) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    files = sorted(CONTENT_FOLDER.glob("level-*/steps/*.md"))
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    return torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])
