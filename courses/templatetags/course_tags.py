"""What the templates of courses ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from courses.models import HiddenMeasurement
from courses.selectors.pages import StepRow, step_rows
from courses.selectors.pinned import reading_language
from courses.selectors.progress import CourseStanding, StepStanding
from courses.wording.measured import hidden_failure_sentence

register = template.Library()


@register.simple_tag
def course_title(course: CourseStanding) -> str:
    return course.content.about.title.text(reading_language())


@register.simple_tag
def lesson_rows(course: CourseStanding) -> list[StepRow]:
    """The table of contents beside a step."""
    return step_rows(course.content, course, reading_language())


@register.simple_tag
def next_key(course: CourseStanding, item: StepStanding) -> str:
    """The step that follows, or the first open one where the next is locked; empty after the last."""
    keys = [other.step.key for other in course.steps]
    index = keys.index(item.step.key)
    following = next((other for other in course.steps[index + 1 :] if other.is_open), None)
    return following.step.key if following else ""


@register.filter
def measurement_failure(row: HiddenMeasurement) -> str:
    """Why it came to nothing; empty where it did not."""
    if row.status != HiddenMeasurement.Status.FAILED:
        return ""
    return hidden_failure_sentence(row.job_name, row.error_code, row.error_params)


@register.filter
def get_item(values: Mapping[str, Any], key: str) -> Any:
    return values.get(key, "")
