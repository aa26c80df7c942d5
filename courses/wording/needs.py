"""Why a student seems to be stuck, and how their job stands, for those who lead the class."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from courses.selectors.classwork import DeviceWork
from courses.selectors.needs import Reason, Trouble
from courses.wording.checks import check_title
from courses.wording.reasons import reason_sentence
from training.queue.wording import position_words, reason_label
from training.sentences import failure_sentence


def trouble_sentences(trouble: Trouble, *, may_quote: bool = True) -> list[str]:
    """
    Args:
        may_quote: whether what the student reads is told too, with the names of the student's things in it.
    """
    match trouble.reason:
        case Reason.SAME_CHECK if trouble.check is not None and trouble.stored is not None:
            title = check_title(trouble.check)
            tried = ngettext(
                "%(count)d try in a row failed at “%(check)s”.",
                "%(count)d tries in a row failed at “%(check)s”.",
                trouble.count,
            ) % {"count": trouble.count, "check": title}
            return [tried, *_quoted(reason_sentence(trouble.stored) if may_quote else "")]
        case Reason.JOB_FAILED_TWICE if trouble.job is not None:
            twice = _("The last two training jobs failed for the same reason.")
            return [twice, *_quoted(failure_sentence(trouble.job) if may_quote else "")]
    minutes = {"minutes": trouble.minutes, "usual": trouble.usual_minutes}
    if trouble.is_measured:
        idle = _(
            "At this step for %(minutes)d min; half of the class needed %(usual)d min or less."
        )
    else:
        idle = _("At this step for %(minutes)d min; it is meant to take %(usual)d min.")
    return [idle % minutes]


def _quoted(sentence: str) -> list[str]:
    """What the student reads is written to the student."""
    return [_("The student reads: “%(sentence)s”") % {"sentence": sentence}] if sentence else []


def device_words(device: DeviceWork) -> str:
    """How far a job is, or where it stands in the queue."""
    if device.queue is None:
        return _("job at %(percent)d%%") % {"percent": int(100 * device.share)}
    place = position_words(device.queue, device.place_count)
    if not place:
        return _("job waits: %(reason)s") % {"reason": reason_label(device.queue)}
    return _("in the queue: %(place)s") % {"place": place}
