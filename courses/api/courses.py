"""API calls about courses: what there is, how far the caller is, and what each step asks for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Schema, Status

from accounts.models import User
from common.api import ERROR_RESPONSES, current_user
from courses.api.router import router
from courses.catalogue.schema import Step
from courses.execution.verifying import verify_step
from courses.models import Enrolment
from courses.selectors.pages import CatalogueEntry, catalogue, shown_checks, step_rows
from courses.selectors.pinned import reading_language
from courses.selectors.progress import (
    StepStanding,
    get_course,
    get_enrolment,
    standing_of,
)
from courses.services.enrolling import begin_course


class CheckSchema(Schema):
    """One thing that a step asks for."""

    key: str
    title: str
    outcome: str | None
    reason: str | None
    message: str
    observed: dict[str, Any]
    wanted: dict[str, Any]


class StepSchema(Schema):
    key: str
    title: str
    kind: str
    minutes: int
    required: bool
    state: str
    active_seconds: int = 0
    tries: int = 0
    passed_at: datetime | None = None
    checks: list[CheckSchema] = []


class CourseSchema(Schema):
    """A course as it stands for the caller; percent is None before it is begun."""

    slug: str
    level: int
    title: str
    summary: str
    minutes: int
    step_count: int
    release_at: datetime | None = Field(
        None, description="When it opens for the caller's class; null: it is open"
    )
    due_at: datetime | None = Field(None, description="For the caller; null: never")
    is_due_own: bool = Field(False, description="Whether the date was given to the caller alone")
    version: int | None = None
    percent: int | None = None
    next_step: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


class CourseDetailSchema(CourseSchema):
    steps: list[StepSchema]


@router.get(
    "/courses", response={200: list[CourseSchema]} | ERROR_RESPONSES, summary="Courses on offer"
)
def list_courses(request: HttpRequest) -> list[dict[str, Any]]:
    return [_course(entry) for entry in catalogue(current_user(request), reading_language())]


@router.get(
    "/courses/{slug:slug}",
    response={200: CourseDetailSchema} | ERROR_RESPONSES,
    summary="A course, its steps and what they ask for",
)
def course_detail(request: HttpRequest, slug: str) -> dict[str, Any]:
    return _detail(current_user(request), slug)


@router.post(
    "/courses/{slug:slug}/begin",
    response={201: CourseDetailSchema, 200: CourseDetailSchema} | ERROR_RESPONSES,
    summary="Begin a course",
)
def course_begin(request: HttpRequest, slug: str) -> Status[dict[str, Any]]:
    """200 when it was begun before."""
    user = current_user(request)
    _enrolment, is_new = begin_course(user, get_course(user, slug))
    return Status(201 if is_new else 200, _detail(user, slug))


@router.post(
    "/courses/{slug:slug}/steps/{slug:key}/check",
    response={200: StepSchema} | ERROR_RESPONSES,
    summary="Look now whether a step is passed",
)
def step_check(request: HttpRequest, slug: str, key: str) -> dict[str, Any]:
    """The server looks at what it knows itself; nothing that a caller sends counts as evidence."""
    enrolment = get_enrolment(current_user(request), slug)
    verify_step(enrolment, key, is_try=True)
    return _step(enrolment, standing_of(enrolment).of(key))


@router.get(
    "/me/progress",
    response={200: list[CourseDetailSchema]} | ERROR_RESPONSES,
    summary="How far the caller is in every course begun",
)
def my_progress(request: HttpRequest) -> list[dict[str, Any]]:
    user = current_user(request)
    begun = [entry for entry in catalogue(user, reading_language()) if entry.standing is not None]
    return [_course(entry) | {"steps": _steps(entry)} for entry in begun]


def _detail(user: User, slug: str) -> dict[str, Any]:
    course = get_course(user, slug)
    entry = next(entry for entry in catalogue(user, reading_language()) if entry.course == course)
    return _course(entry) | {"steps": _steps(entry)}


def _course(entry: CatalogueEntry) -> dict[str, Any]:
    about, standing = entry.content.about, entry.standing
    found: dict[str, Any] = {
        "slug": about.slug,
        "level": about.level,
        "title": entry.title,
        "summary": entry.summary,
        "minutes": about.minutes,
        "step_count": len(entry.content.steps),
        "release_at": entry.taken.release_at if entry.taken else None,
        "due_at": entry.due.at if entry.due else None,
        "is_due_own": entry.due.is_own if entry.due else False,
    }
    if standing is not None:
        following = standing.next_step
        found |= {
            "version": standing.enrolment.version.number,
            "percent": standing.percent,
            "next_step": following.step.key if following else None,
            "started_at": standing.enrolment.started_at,
            "completed_at": standing.enrolment.completed_at,
        }
    return found


def _steps(entry: CatalogueEntry) -> list[dict[str, Any]]:
    if entry.standing is not None:
        return [_step(entry.standing.enrolment, item) for item in entry.standing.steps]
    rows = step_rows(entry.content, None, reading_language())
    return [
        _plain(step) | {"title": row.title, "state": row.standing.value}
        for step, row in zip(entry.content.steps, rows, strict=True)
    ]


def _step(enrolment: Enrolment, item: StepStanding) -> dict[str, Any]:
    language = reading_language()
    stored = item.progress.checks if item.progress else {}
    checks = shown_checks(enrolment, item, language) if item.is_open else []
    return _plain(item.step) | {
        "title": item.step.text(language).title,
        "state": item.standing.value,
        "active_seconds": item.progress.active_seconds if item.progress else 0,
        "tries": item.progress.tries if item.progress else 0,
        "passed_at": item.progress.passed_at if item.progress else None,
        "checks": [
            {
                "key": check.key,
                "title": check.title,
                "outcome": check.outcome or None,
                "reason": stored.get(check.key, {}).get("reason") or None,
                "message": check.sentence,
                "observed": stored.get(check.key, {}).get("observed", {}),
                "wanted": stored.get(check.key, {}).get("wanted", {}),
            }
            for check in checks
        ],
    }


def _plain(step: Step) -> dict[str, Any]:
    return {
        "key": step.key,
        "kind": step.kind,
        "minutes": step.minutes,
        "required": step.required,
    }
