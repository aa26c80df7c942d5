"""What a check asks for, in a few words."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from courses.catalogue.schema import Check
from courses.wording.settings import setting_list, verdict_list


def check_title(check: Check) -> str:  # noqa: C901, PLR0911, PLR0912 - one case a predicate
    wanted: Any = check.wanted
    match check.predicate:
        case "read.opened":
            return _("The page is read")
        case "quiz.passed":
            return ngettext(
                "%(count)d question is answered right",
                "%(count)d questions are answered right",
                wanted.right,
            ) % {"count": wanted.right}
        case "dataset.valid" if wanted.edited or wanted.min_own_examples:
            own = max(1, wanted.min_own_examples)
            return ngettext(
                "A dataset of yours with at least %(count)d example of your own",
                "A dataset of yours with at least %(count)d examples of your own",
                own,
            ) % {"count": own}
        case "dataset.valid":
            return ngettext(
                "A dataset of yours with at least %(count)d example",
                "A dataset of yours with at least %(count)d examples",
                wanted.min_examples,
            ) % {"count": wanted.min_examples}
        case "dataset.no_overlap" if wanted.against == "hidden":
            return _("None of the hidden questions stands in your training data")
        case "dataset.no_overlap":
            return _("No evaluation question stands in your training data")
        case "settings.predicted":
            return _("A guess of yours was written before a job started")
        case "job.completed" if wanted.dataset == "mine":
            return _("A training job on your own dataset is completed")
        case "job.completed":
            return _("A training job is completed")
        case "job.watched":
            return _("You watched a job while it ran")
        case "job.loss_dropped":
            return _("The loss of the job came down by at least %(percent)d%%") % {
                "percent": round(100 * (1 - wanted.ratio))
            }
        case "job.eval_gain":
            return _("On held-out examples it is better than the base model")
        case "job.diagnosed":
            return _("The diagnosis of a job is: %(verdicts)s") % {
                "verdicts": verdict_list(wanted.any_of)
            }
        case "job.stopped_early":
            return _("A job was ended by early stopping")
        case "job.explained":
            return _("You explained a result")
        case "jobs.differ_only_in":
            return ngettext(
                "%(count)d jobs differ in one setting only: %(settings)s",
                "%(count)d jobs differ in one setting only: %(settings)s",
                wanted.min,
            ) % {
                "count": wanted.min,
                "settings": setting_list(dict.fromkeys(wanted.settings)),
            }
        case "jobs.compared":
            return _("Jobs of yours were compared on one page")
        case "sweep.completed":
            return _("A sweep of at least %(count)d jobs is completed") % {"count": wanted.min_jobs}
        case "chat.pairs":
            return ngettext(
                "%(count)d question was answered by your model and its base model",
                "%(count)d questions were answered by your model and its base model",
                wanted.min,
            ) % {"count": wanted.min}
        case "chat.votes" if wanted.blind:
            return _("%(count)d votes with the names hidden") % {"count": wanted.min}
        case "chat.votes":
            return _("%(count)d votes") % {"count": wanted.min}
        case "chat.corrected":
            return _("A corrected answer stands in a dataset of yours")
        case "prompts.run":
            return _("A prompt set was put to your model and its base model")
        case "prompts.gain":
            return _("On the evaluation questions your model is better than its base model")
        case "hidden.gain":
            return _("On the hidden questions your model is better than its base model")
        case "reflection.cites" if not wanted.jobs:
            return _("Your text is written")
    return _("Your reflection refers to your own jobs")
