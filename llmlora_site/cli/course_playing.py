"""`llmlora course play`: the reference students take the courses, with real jobs on a worker of this machine."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmlora_site.cli.console import CommandFailure, say
from llmlora_site.cli.language import _
from llmlora_site.cli.scratch import chosen_home, worker_running
from llmlora_site.cli.supervisor import stop_signals

if TYPE_CHECKING:
    from courses.solving.playing import PlayedCourse, PlayedStep

DEFAULT_SEED = 42


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """Which courses, in which languages, with which seeds and base model; empty ones for all and the usual.

    Attributes:
        rate_factor: learning rates are multiplied by this.
    """

    slugs: tuple[str, ...]
    languages: tuple[str, ...]
    seeds: tuple[int, ...]
    model: str | None
    rate_factor: float


def play_courses(options: PlayOptions, *, root: Path | None, report: Path | None) -> int:
    """0 when every play passed its course within its minutes.

    Raises:
        CommandFailure: there is no such course.
    """
    with stop_signals(), chosen_home(root) as home, worker_running(home):
        played = [
            _play(slug, language, seed, options)
            for slug in _slugs(options.slugs)
            for language in options.languages or ("en", "ja")
            for seed in options.seeds or (DEFAULT_SEED,)
        ]
    if report is not None:
        rows = [dataclasses.asdict(course) | {"is_passed": course.is_passed} for course in played]
        report.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0 if all(course.is_passed for course in played) else 1


def _play(slug: str, language: str, seed: int, options: PlayOptions) -> PlayedCourse:
    from courses.solving.playing import play_course
    from courses.starter import CONTENT_FOLDER
    from engine.catalog import DEFAULT_BASE_MODEL

    say(
        _("%(course)s, %(language)s, seed %(seed)d")
        % {"course": slug, "language": language, "seed": seed}
    )
    played = play_course(
        slug,
        folder=CONTENT_FOLDER,
        language=language,
        seed=seed,
        base_model=options.model or DEFAULT_BASE_MODEL,
        rate_factor=options.rate_factor,
        tell=_tell,
    )
    say(_("passed") if played.is_passed else _("NOT passed"))
    return played


def _tell(step: PlayedStep) -> None:
    outcome = step.problem or _("passed")
    if not step.problem and step.seconds > 60 * step.minutes:
        outcome = _("passed, but it took longer than the course says")
    say(f"  {step.key}: {step.seconds:.0f} s / {step.minutes} min, {outcome}")


def _slugs(wanted: tuple[str, ...]) -> list[str]:
    from courses.models import Course

    known = list(Course.objects.values_list("slug", flat=True))
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise CommandFailure(
            _("There is no course %(name)s. There are %(known)s.")
            % {"name": unknown[0], "known": ", ".join(known)}
        )
    return [slug for slug in known if not wanted or slug in wanted]
