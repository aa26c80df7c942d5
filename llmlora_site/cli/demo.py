"""`llmlora demo`: the first course's job in the terminal, on the same services as the pages."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from llmlora_site.cli.console import CommandFailure, console, say
from llmlora_site.cli.language import _
from llmlora_site.cli.scratch import chosen_home, worker_running
from llmlora_site.cli.supervisor import stop_signals

if TYPE_CHECKING:
    from accounts.models import User
    from datasets_app.models import Dataset
    from training.models import TrainingJob

WANTED_ANSWERS = 4
DEMO_USERNAME = "demo"
POLL_SECONDS = 0.2
SHOWN_CHARACTERS = 140
# Greedy: the same question gives the same answer, so that before and after can be compared.
SAMPLING = {"temperature": 0, "max_tokens": 64}


def demo(root: Path | None) -> int:
    """Run the demo; returns 0 when the adapter learned what it should."""
    started = time.monotonic()
    with stop_signals(), chosen_home(root) as home, worker_running(home):
        owner = _demo_user()
        dataset, pairs = _upload(owner)
        say(_("Uploaded the dataset “%(name)s”.") % {"name": dataset.name})
        before = _ask_all(owner, list(pairs), _("Asking the base model"))
        job = _train(owner, dataset)
        after = _ask_all(owner, list(pairs), _("Asking the tuned model"), job)
        is_learned = _print_result(pairs, before, after)
        _print_seconds(job, time.monotonic() - started)
    return 0 if is_learned else 1


def _demo_user() -> User:
    from accounts.models import User

    user, is_new = User.objects.get_or_create(username=DEMO_USERNAME)
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def _upload(owner: User) -> tuple[Dataset, dict[str, str]]:
    """The first course's dataset, and its questions with the answers to learn."""
    from django.core.files.uploadedfile import SimpleUploadedFile

    from courses.starter import starter_records
    from datasets_app.selectors import latest_version, read_records
    from datasets_app.services.creating import create_dataset_from_upload

    file = SimpleUploadedFile("dataset.json", json.dumps(starter_records()).encode())
    dataset = create_dataset_from_upload(owner, file=file, name=_("Japan in five sentences"))
    records = read_records(latest_version(dataset), limit=100)
    return dataset, {record["instruction"]: record["output"] for record in records}


def _ask_all(
    owner: User, questions: list[str], title: str, job: TrainingJob | None = None
) -> list[str]:
    with _bar() as progress:
        bar = progress.add_task(title, total=len(questions))
        answers = []
        for question in questions:
            answers.append(_ask(owner, question, job))
            progress.advance(bar)
    return answers


def _ask(owner: User, question: str, job: TrainingJob | None) -> str:
    """The answer of the tuned model, or of the base model without a job; each in a chat of its own."""
    from chat.models import Reply
    from chat.sentences import failure_sentence
    from chat.services.opening import create_session
    from chat.services.sending import send_message
    from engine.catalog import DEFAULT_BASE_MODEL

    if job is None:
        session = create_session(owner, model_name=DEFAULT_BASE_MODEL)
    else:
        session = create_session(owner, job_id=job.pk)
    reply: Reply = send_message(session, text=question, sampling=SAMPLING).replies.get()
    while reply.status in (Reply.Status.PENDING, Reply.Status.RUNNING):
        time.sleep(POLL_SECONDS)
        reply.refresh_from_db()
    if reply.status != Reply.Status.COMPLETED:
        raise CommandFailure(failure_sentence(reply) or _("The answer was stopped."))
    return reply.text


def _train(owner: User, dataset: Dataset) -> TrainingJob:
    from engine.catalog import DEFAULT_BASE_MODEL
    from engine.presets import (
        DEFAULT_LORA_PRESET,
        DEFAULT_TRAINING_PRESET,
        LORA_PRESETS,
        TRAINING_PRESETS,
    )
    from training.models import TrainingJob
    from training.sentences import failure_sentence, stage_sentence
    from training.services.creating import create_training_job
    from training.services.ordering import JobOrder

    lora = next(preset for preset in LORA_PRESETS if preset.name == DEFAULT_LORA_PRESET)
    training = next(preset for preset in TRAINING_PRESETS if preset.name == DEFAULT_TRAINING_PRESET)
    order = JobOrder(
        name=dataset.name,
        base_model_name=DEFAULT_BASE_MODEL,
        dataset_id=dataset.pk,
        lora_config=lora.settings.to_dict(),
        training_config=training.settings.to_dict(),
    )
    job = create_training_job(owner, order)
    with _bar(TextColumn("{task.fields[loss]}")) as progress:
        bar = progress.add_task(_("Training"), total=None, loss="")
        while job.is_active:
            time.sleep(POLL_SECONDS)
            job.refresh_from_db()
            loss = "" if job.loss is None else _("loss %(loss).3f") % {"loss": job.loss}
            progress.update(
                bar,
                completed=job.current_step,
                total=job.total_steps or None,
                loss=loss,
                description=str(stage_sentence(job.stage)) or _("Training"),
            )
    if job.status != TrainingJob.Status.COMPLETED:
        raise CommandFailure(failure_sentence(job) or _("The job was cancelled."))
    say(_("Trained %(steps)d steps.") % {"steps": job.current_step})
    return job


def _print_result(pairs: dict[str, str], before: list[str], after: list[str]) -> bool:
    table = Table(title=_("Before and after"), show_lines=True)
    table.add_column(_("Question"), ratio=2)
    table.add_column(_("Base model"), ratio=3)
    table.add_column(_("Tuned model"), ratio=3)
    for (question, wanted), first, second in zip(pairs.items(), before, after, strict=True):
        table.add_row(question, _marked(first, wanted), _marked(second, wanted))
    console.print(table)
    wanted_answers = list(pairs.values())
    known, learned = _count(before, wanted_answers), _count(after, wanted_answers)
    say(
        _("Word for word: %(before)d of %(total)d before, %(after)d of %(total)d after.")
        % {"before": known, "after": learned, "total": len(pairs)}
    )
    return known == 0 and learned >= WANTED_ANSWERS


def _marked(answer: str, wanted: str) -> Text:
    """An answer with its mark, cut to what a table holds."""
    mark, style = ("✓", "green") if is_word_for_word(answer, wanted) else ("✗", "red")
    # Model output may hold anything, also what the terminal would obey.
    line = "".join(character if character.isprintable() else " " for character in answer.strip())
    shown = line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"
    return Text(f"{mark} ", style=style).append(shown, style="default")


def is_word_for_word(answer: str, wanted: str) -> bool:
    return answer.strip() == wanted.strip()


def _count(answers: list[str], wanted: list[str]) -> int:
    return sum(map(is_word_for_word, answers, wanted))


def _print_seconds(job: TrainingJob, total_seconds: float) -> None:
    assert job.started_at is not None
    assert job.completed_at is not None
    training_seconds = (job.completed_at - job.started_at).total_seconds()
    say(
        _("The training job took %(training).1f seconds, the whole demo %(total).1f seconds.")
        % {"training": training_seconds, "total": total_seconds}
    )


def _bar(*more: TextColumn) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, *more, console=console)
