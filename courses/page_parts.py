"""What courses show on the pages of other apps (common.page_slots)."""

from __future__ import annotations

from django.template.loader import render_to_string

from common.http import AuthenticatedRequest
from common.page_slots import fill_slot
from courses.selectors.examples import examples_for
from courses.selectors.feedback import feedback_on_job
from courses.services.feedback import mark_read
from training.models import TrainingJob


def fill_slots() -> None:
    fill_slot("job_notes", job_feedback)
    fill_slot("job_list", class_examples)


def job_feedback(request: AuthenticatedRequest, job: TrainingJob) -> str:
    """What leaders wrote about a person's job; shown, it counts as read."""
    shown = feedback_on_job(request.user, job.pk)
    if not shown:
        return ""
    text = render_to_string("courses/feedback.html", {"feedback": shown}, request)
    mark_read(item.entry for item in shown)
    return text


def class_examples(request: AuthenticatedRequest, _subject: None) -> str:
    """Jobs that leaders of the person's classes show as examples."""
    examples = examples_for(request.user)
    if not examples:
        return ""
    return render_to_string("courses/examples.html", {"examples": examples}, request)
