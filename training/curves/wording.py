"""What a chart shows, in a sentence, for those who do not see it."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.sentences import joined
from training.curves.reading import Measurements
from training.models import TrainingJob
from training.plotting.scales import plain_number


def describe_loss(job: TrainingJob, measurements: Measurements) -> str:
    sentences = [_training_sentence(measurements), _held_out_sentence(measurements)]
    if job.baseline_loss is not None:
        sentences.append(
            _("The untouched base model has a held-out loss of %(loss).3f.")
            % {"loss": job.baseline_loss}
        )
    return joined(sentences)


def _training_sentence(measurements: Measurements) -> str:
    trained = [stretch for stretch in measurements.stretches if stretch.loss is not None]
    if not trained:
        return ""
    first, last = trained[0], trained[-1]
    count = len(trained) if measurements.is_exact else measurements.point_count
    return ngettext(
        "Loss of %(count)d step: %(first).3f at step %(first_step)d, %(last).3f at step %(last_step)d, "
        "lowest %(lowest).3f.",
        "Loss of %(count)d steps: %(first).3f at step %(first_step)d, %(last).3f at step %(last_step)d, "
        "lowest %(lowest).3f.",
        count,
    ) % {
        "count": count,
        "first": first.loss,
        "first_step": first.step,
        "last": last.loss,
        "last_step": last.step,
        "lowest": min(stretch.lowest for stretch in trained if stretch.lowest is not None),
    }


def _held_out_sentence(measurements: Measurements) -> str:
    trained = [point for point in measurements.held_out if point.step > 0]
    if not trained:
        return ""
    best = min(trained, key=lambda point: point.loss)
    return _(
        "Held-out loss: %(last).3f at step %(last_step)d, lowest %(best).3f at step %(best_step)d."
    ) % {
        "last": trained[-1].loss,
        "last_step": trained[-1].step,
        "best": best.loss,
        "best_step": best.step,
    }


def describe_rates(measurements: Measurements) -> str:
    rates = _values(measurements, "learning_rate")
    if not rates:
        return ""
    return _("Learning rate: highest %(highest)s, %(last)s at step %(step)d.") % {
        "highest": plain_number(max(rate for _step, rate in rates)),
        "last": plain_number(rates[-1][1]),
        "step": rates[-1][0],
    }


def describe_gradients(measurements: Measurements) -> str:
    norms = _values(measurements, "grad_norm")
    if not norms:
        return ""
    return _(
        "Gradient norm: highest %(highest)s at step %(highest_step)d, %(last)s at step %(step)d."
    ) % {
        "highest": plain_number(max(norm for _step, norm in norms)),
        "highest_step": max(norms, key=lambda point: point[1])[0],
        "last": plain_number(norms[-1][1]),
        "step": norms[-1][0],
    }


def describe_speed(measurements: Measurements) -> str:
    speeds = _values(measurements, "tokens_per_second")
    if not speeds:
        return ""
    return _("Tokens per second: highest %(highest)s, %(last)s at step %(step)d.") % {
        "highest": plain_number(max(speed for _step, speed in speeds)),
        "last": plain_number(speeds[-1][1]),
        "step": speeds[-1][0],
    }


def outlier_note(count: int, limit: float, highest: float) -> str:
    """How many points the chart does not show, so that nobody takes the rest for all."""
    return ngettext(
        "%(count)d point lies above %(limit)s, at %(highest)s; an arrow marks it.",
        "%(count)d points lie above %(limit)s, the highest at %(highest)s; arrows mark them.",
        count,
    ) % {"count": count, "limit": plain_number(limit), "highest": plain_number(highest)}


def _values(measurements: Measurements, name: str) -> list[tuple[int, float]]:
    return [
        (stretch.step, value)
        for stretch in measurements.stretches
        if (value := getattr(stretch, name)) is not None
    ]
