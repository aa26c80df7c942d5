"""Why a check has not passed: what is there, what is wanted, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from courses.models import CheckResult
from courses.wording.measured import figure, hidden_failure_sentence, measure_sentence
from courses.wording.settings import setting_list, verdict_list
from modelhub.sentences import engine_failure_sentence

Outcome = CheckResult.Outcome
Values = Mapping[str, Any]


def reason_sentence(stored: Values) -> str:
    """
    Args:
        stored: a result as StepProgress.checks keeps it.
    """
    observed, wanted = stored["observed"], stored["wanted"]
    match stored["outcome"]:
        case Outcome.PASS:
            return ""
        case Outcome.BLOCKED:
            return _("This is looked at once the point above it is met.")
        case Outcome.ERROR if stored["reason"] == "hidden_failed":
            return hidden_failure_sentence(
                observed["name"], observed["error_code"], observed["error_params"]
            )
        case Outcome.ERROR:
            return _(
                "The server could not check this just now. That is not your fault, and nothing is lost: "
                "it is tried again by itself."
            )
        case Outcome.WAITING:
            return _waiting_sentence(stored["reason"], observed)
    parts = stored["reason"].partition("_")[0]
    word = {
        "read": _lesson_sentence,
        "quiz": _lesson_sentence,
        "reflection": _lesson_sentence,
        "dataset": _dataset_sentence,
        "chat": _chat_sentence,
        "correction": _chat_sentence,
        "prompts": measure_sentence,
        "hidden": measure_sentence,
    }.get(parts, _job_sentence)
    return word(stored["reason"], observed, wanted)


def _waiting_sentence(reason: str, observed: Values) -> str:
    match reason:
        case "job_under_way" if observed["status"] == "pending":
            return _(
                "“%(name)s” waits for a free device. That does not count as your time: you can read on, "
                "or close this page."
            ) % {"name": observed["name"]}
        case "job_under_way":
            return _("“%(name)s” is under way. This is met as soon as it is completed.") % {
                "name": observed["name"]
            }
        case "sweep_under_way":
            return ngettext(
                "%(count)d job of the sweep is still to come.",
                "%(count)d jobs of the sweep are still to come.",
                observed["left"],
            ) % {"count": observed["left"]}
        case "hidden_under_way" if observed["status"] == "pending":
            return _(
                "The measurement of “%(name)s” waits for a free worker. That does not count as your time."
            ) % {"name": observed["name"]}
        case "hidden_under_way":
            return _("“%(name)s” is being measured on the hidden questions.") % {
                "name": observed["name"]
            }
    return _("A device is at work on it. This is met by itself.")


def _lesson_sentence(reason: str, observed: Values, wanted: Values) -> str:
    match reason:
        case "read_too_short":
            return _("Read the page first; you have just opened it.")
        case "quiz_not_enough":
            return _(
                "%(right)d of %(questions)d answers are right; %(wanted)d are needed. "
                "Look at the explanations and answer the others again."
            ) % {
                "right": observed["right"],
                "questions": wanted["questions"],
                "wanted": wanted["right"],
            }
        case "reflection_missing":
            return _("Nothing is written yet. Answer the question in your own words.")
        case "reflection_short":
            return _(
                "Your text has %(observed)d letters; at least %(wanted)d are needed to say what you saw and why. "
                "Add an observation with its number."
            ) % {"observed": observed["characters"], "wanted": wanted["characters"]}
    return ngettext(
        "Your text refers to %(count)d completed job of yours; %(wanted)d are needed. Choose them below the text.",
        "Your text refers to %(count)d completed jobs of yours; %(wanted)d are needed. Choose them below the text.",
        observed["jobs"],
    ) % {"count": observed["jobs"], "wanted": wanted["jobs"]}


def _dataset_sentence(reason: str, observed: Values, wanted: Values) -> str:
    match reason:
        case "dataset_missing":
            return _("You have no dataset yet. Take the starter set, or upload one of your own.")
        case "dataset_small":
            return _(
                "“%(name)s” has %(examples)d examples; at least %(wanted)d are needed. Add some."
            ) % _both(observed, wanted, "examples")
        case "dataset_large":
            return _(
                "“%(name)s” has %(examples)d examples; for this step at most %(wanted)d are right. Take fewer."
            ) % _both(observed, wanted, "examples")
        case "dataset_repeats":
            return _(
                "In “%(name)s” only %(examples)d examples are different. Replace the repeated ones."
            ) % {"name": observed["name"], "examples": observed["examples"]}
        case "dataset_not_own":
            return _(
                "In “%(name)s” %(own)d examples are your own, the others are those of the course; "
                "%(wanted)d are needed. Change an answer so that it says something else, or add examples: "
                "other spaces, capitals or punctuation do not count."
            ) % {"name": observed["name"], "own": observed["own"], "wanted": wanted["own"]}
        case "dataset_copied":
            return _(
                "Everything in “%(name)s” that is not from the course stood in a classmate's dataset before. "
                "Write examples of your own."
            ) % {"name": observed["name"]}
    which = _("the hidden questions") if observed["set"] == "hidden" else _("the evaluation set")
    return ngettext(
        "%(count)d example of “%(name)s” asks what %(set)s asks, so a good result would prove nothing. "
        "Take it out, and train again.",
        "%(count)d examples of “%(name)s” ask what %(set)s asks, so a good result would prove nothing. "
        "Take them out, and train again.",
        observed["leaks"],
    ) % {"count": observed["leaks"], "name": observed["name"], "set": which}


def _job_sentence(reason: str, observed: Values, wanted: Values) -> str:  # noqa: C901, PLR0911, PLR0912 - one case a reason
    name = {"name": observed.get("name", "")}
    match reason:
        case "guess_missing":
            return _(
                "No job of yours has a guess of at least %(wanted)d characters. Write what you expect into the field "
                "“Your guess” before you start the job."
            ) % {"wanted": wanted["characters"]}
        case "job_missing":
            return _("You have no job in this course yet. Open the form, and start one.")
        case "job_not_watched":
            return _(
                "You have not looked at a job while it ran. Open the page of a running job; start one if none runs."
            )
        case "job_other_settings":
            return _(
                "“%(name)s” has other settings than this step asks for: %(settings)s. "
                "Start a job with the settings of the text."
            ) % {**name, "settings": setting_list(observed["settings"])}
        case "job_no_held_out":
            return (
                _(
                    "“%(name)s” held no examples out, so nobody knows how it does on new ones. "
                    "Start one with a held-out share or an evaluation set."
                )
                % name
            )
        case "job_starter_data":
            return _("“%(name)s” learned from the course's own set. Train on your dataset.") % name
        case "job_own_data":
            return (
                _(
                    "“%(name)s” learned from another dataset. Train on the starter set of this course."
                )
                % name
            )
        case "job_foreign_data":
            return (
                _("“%(name)s” learned from somebody else's dataset. Train on one of yours.") % name
            )
        case "job_not_completed" if observed["status"] == "failed":
            return " ".join(
                [
                    _("“%(name)s” failed.") % name,
                    engine_failure_sentence(
                        observed["error_code"], observed.get("error_params", {})
                    ),
                ]
            )
        case "job_not_completed":
            return _("“%(name)s” was cancelled. Resume it, or start another one.") % name
        case "job_few_steps":
            return _(
                "“%(name)s” made %(steps)d steps; at least %(wanted)d are needed. Train for more epochs."
            ) % {**name, "steps": observed["steps"], "wanted": wanted["steps"]}
        case "job_loss_high":
            return _(
                "The loss of “%(name)s” went from %(first)s to %(last)s; it should come down to %(wanted)s or less. "
                "Try a higher learning rate or more epochs."
            ) % {
                **name,
                "first": figure(observed["first_loss"]),
                "last": figure(observed["last_loss"]),
                "wanted": figure(wanted["loss"]),
            }
        case "job_small_gain":
            return _(
                "On held-out examples “%(name)s” is better than the base model by %(gain)s nats; "
                "%(wanted)s are needed. Look at its diagnosis for the next thing to try."
            ) % {**name, "gain": figure(observed["gain"]), "wanted": figure(wanted["gain"])}
        case "job_other_verdict":
            return _(
                "The diagnosis of “%(name)s” is another one. This step asks for: %(verdicts)s."
            ) % {**name, "verdicts": verdict_list(wanted["any_of"])}
        case "job_ran_to_end":
            return (
                _(
                    "“%(name)s” ran to its end. Hold examples out, set the patience of early stopping, "
                    "and give it more epochs than it needs."
                )
                % name
            )
        case "explanation_missing":
            return _(
                "None of your completed jobs has an explanation of at least %(wanted)d characters. "
                "Write on its page what came out, and why."
            ) % {"wanted": wanted["characters"]}
        case "jobs_differ_more":
            return _(
                "You have %(jobs)d completed jobs that differ in one of these settings only; %(wanted)d are needed: "
                "%(settings)s. Duplicate a job, and change one of them, nothing else."
            ) % {
                "jobs": observed["jobs"],
                "wanted": wanted["jobs"],
                "settings": setting_list(dict.fromkeys(wanted["settings"])),
            }
        case "jobs_not_compared":
            return _(
                "You have not compared %(wanted)d of these jobs on one page yet. Choose them in the list of jobs, "
                "then press “Compare”."
            ) % {"wanted": wanted["jobs"]}
    return _(
        "Your largest sweep has %(jobs)d completed jobs; %(wanted)d are needed. Begin a sweep from a job's page."
    ) % {"jobs": observed["jobs"], "wanted": wanted["jobs"]}


def _chat_sentence(reason: str, observed: Values, wanted: Values) -> str:
    match reason:
        case "chat_few_pairs":
            return _(
                "%(pairs)d different questions were answered by your model and its base model side by side; "
                "%(wanted)d are needed. Open a chat with the base model beside yours, and ask."
            ) % {"pairs": observed["pairs"], "wanted": wanted["pairs"]}
        case "chat_few_votes" if wanted["blind"]:
            return _(
                "You have voted on %(votes)d questions with the names hidden; %(wanted)d are needed."
            ) % {"votes": observed["votes"], "wanted": wanted["votes"]}
        case "chat_few_votes":
            return _("You have voted on %(votes)d questions; %(wanted)d are needed.") % {
                "votes": observed["votes"],
                "wanted": wanted["votes"],
            }
        case "chat_not_corrected":
            return _(
                "You have corrected no answer of your model yet. "
                "Choose “Write a better answer” under one that is wrong."
            )
    return _(
        "You have corrected an answer, but it stands in none of your datasets. Correct it once more, "
        "and choose the dataset that it goes to."
    )


def _both(observed: Values, wanted: Values, what: str) -> dict[str, Any]:
    return {"name": observed["name"], what: observed[what], "wanted": wanted[what]}
