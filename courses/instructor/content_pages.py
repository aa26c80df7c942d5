"""What the content pages of a class show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import NotFoundError
from courses.catalogue.schema import Bilingual, CourseContent, Step
from courses.forms.class_content import AddCourseForm
from courses.instructor.frame import Classroom
from courses.models import CourseVersion, Enrolment
from courses.rendering import parts_of
from courses.selectors.certificates import class_certificates
from courses.selectors.class_content import (
    ClassCourse,
    PinPlan,
    addable_courses,
    class_courses,
    may_change_content,
    plan_pin,
)
from courses.selectors.content import content_of, newest_version
from courses.selectors.names import shown_names
from courses.selectors.version_changes import changes_between, text_difference
from courses.wording.checks import check_title
from courses.wording.versions import aspect_list


def list_context(
    classroom: Classroom, user: User, language: str, form: AddCourseForm
) -> dict[str, Any]:
    """The courses of a class, those that it could take, and the certificates of its students."""
    cohort = classroom.cohort
    names = shown_names(cohort, is_projected=classroom.is_projected)
    return {
        "entries": class_courses(cohort, language),
        "can_change": may_change_content(user, cohort),
        "add_form": form,
        "certificates": [
            {
                "id": item.pk,
                "holder": names.get(item.enrolment.user_id, "") if item.enrolment else "",
                "title": Bilingual(**item.facts["course"]["title"]).text(language),
                "issued_at": item.issued_at,
                "revoked_at": item.revoked_at,
            }
            for item in class_certificates(cohort)
        ],
    }


def add_form(
    classroom: Classroom, user: User, language: str, data: QueryDict | None = None
) -> AddCourseForm:
    """With the courses that the class does not take yet, named in the reader's language."""
    courses = addable_courses(classroom.cohort, user)
    titled = [
        (course, content_of(newest_version(course).pk).about.title.text(language))
        for course in courses
    ]
    return AddCourseForm(data, courses=titled)


def course_context(
    classroom: Classroom,
    entry: ClassCourse,
    other: CourseVersion,
    *,
    language: str,
    step_key: str,
    text_language: str,
) -> dict[str, Any]:
    """A course of a class, and what is different in another version of it."""
    context: dict[str, Any] = {
        "entry": entry,
        "other": other,
        "zone": classroom.cohort.time_zone,
        "text_language": text_language,
        "steps": [
            {
                "key": step.key,
                "title": step.text(language).title,
                "minutes": step.minutes,
                "required": step.required,
                "is_outdated": any(text.is_outdated for text in step.texts.values()),
                "is_opened": step.key in entry.row.opened_steps,
                "can_open": place > 0 and step.unlock != "any",
            }
            for place, step in enumerate(entry.content.steps)
        ],
    }
    context["plan"] = _named_plan(classroom, plan_pin(entry.row, other.pk))
    if other.pk == entry.row.version_id:
        return context
    new = content_of(other.pk)
    changes = changes_between(entry.content, new, language)
    context["changes"] = changes
    context["changed"] = [
        {"key": change.key, "title": change.title, "what": aspect_list(change.aspects)}
        for change in changes.changed
    ]
    context["difference"] = _difference(entry.content, new, step_key, text_language)
    return context


def step_context(
    entry: ClassCourse, version: CourseVersion, key: str, language: str
) -> dict[str, Any]:
    """
    Raises:
        NotFoundError: the version has no such step.
    """
    content = content_of(version.pk)
    step = _required_step(content, key)
    text = step.text(language)
    keys = [other.key for other in content.steps]
    place = keys.index(key)
    return {
        "entry": entry,
        "version": version,
        "step": step,
        "text": text,
        "text_language": language,
        "parts": parts_of(text.body, language),
        "action_label": step.action.label.text(language) if step.action else "",
        "checks": [
            {
                "title": check_title(check),
                "hints": [(hint.after, hint.text(language)) for hint in check.hints],
            }
            for check in step.checks
        ],
        "questions": _questions(step, language),
        "reflection": step.reflection.prompt.text(language) if step.reflection else "",
        "number": place + 1,
        "count": len(keys),
        "previous_key": keys[place - 1] if place else "",
        "next_key": keys[place + 1] if place + 1 < len(keys) else "",
    }


def _required_step(content: CourseContent, key: str) -> Step:
    """
    Raises:
        NotFoundError: there is no such step.
    """
    step = content.step(key)
    if step is None:
        raise NotFoundError(_("This course has no such step. It may have been renamed."))
    return step


def _questions(step: Step, language: str) -> list[dict[str, Any]]:
    return [
        {
            "text": question.text.text(language),
            "answer": question.answer,
            "options": [
                {
                    "text": option.text(language),
                    "is_right": option.right,
                    "why": option.why.text(language),
                }
                for option in question.options
            ],
        }
        for question in step.questions
    ]


def _named_plan(classroom: Classroom, plan: PinPlan) -> dict[str, Any]:
    names = shown_names(classroom.cohort, is_projected=classroom.is_projected)

    def of(enrolments: Iterable[Enrolment]) -> str:
        return _(", ").join(
            sorted(names[item.user_id] for item in enrolments if item.user_id in names)
        )

    return {
        "moving": len(plan.moving),
        "losing": len(plan.losing),
        "losing_names": of(plan.losing),
        "completed": len(plan.completed),
    }


def _difference(
    old: CourseContent, new: CourseContent, step_key: str, language: str
) -> dict[str, Any] | None:
    before, after = old.step(step_key), new.step(step_key)
    step = after or before
    if step is None:
        return None
    return {
        "key": step_key,
        "title": step.text(language).title,
        "lines": text_difference(before, after, language),
    }
