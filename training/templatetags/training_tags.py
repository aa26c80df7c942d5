"""Numbers of training as people read them."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from training.charts import plain_number

register = template.Library()

NOTHING = "–"


@register.filter
def loss(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


@register.filter
def change_from(value: float | None, baseline: float) -> str:
    """How much a loss lies below or above another one, with its sign."""
    return NOTHING if value is None else f"{value - baseline:+.3f}".replace("-", "−")


@register.filter
def rate(value: float | None) -> str:
    """A learning rate or another small number, with few digits."""
    return NOTHING if value is None else plain_number(value)


@register.filter
def whole(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


@register.filter
def epochs(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@register.filter
def percent(share: float) -> str:
    """A share with as many digits as it needs: 0.36%, 42%."""
    return f"{share * 100:.2g}%" if share < 0.1 else f"{share * 100:.0f}%"


@register.filter
def parameters(count: int) -> str:
    """A number of parameters, shortened as the field does: 2.4 M."""
    for limit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= limit:
            return f"{count / limit:.3g} {letter}"
    return str(count)


@register.filter
def remaining_words(seconds: float | None) -> str:
    """Coarse on purpose: an estimate with seconds promises what nobody can keep."""
    if seconds is None:
        return ""
    if seconds < 10:
        return _("a few seconds left")
    if seconds < 50:
        return _("less than a minute left")
    minutes = round(seconds / 60)
    if minutes < 60:
        return ngettext("about %(count)d min left", "about %(count)d min left", minutes) % {
            "count": minutes
        }
    hours, minutes = divmod(round(minutes / 5) * 5, 60)
    return _("about %(hours)d h %(minutes)02d min left") % {"hours": hours, "minutes": minutes}


@register.filter
def duration_words(seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return _("%(seconds)d s") % {"seconds": round(seconds)}
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _("%(minutes)d min %(seconds)02d s") % {"minutes": minutes, "seconds": rest}
    return _("%(hours)d h %(minutes)02d min") % {"hours": minutes // 60, "minutes": minutes % 60}
