"""API calls about courses: what there is, how far people are, and what each step asks for."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language
from ninja import Router, Schema, Status

from accounts.models import User
from common.api import ERROR_RESPONSES, current_user
from courses.catalogue.schema import Step
from courses.execution.verifying import verify_step
from courses.helping_api import router as helping_router
from courses.models import Certificate, Enrolment
from courses.selectors.certificates import certificates_of, validity_of
from courses.selectors.cohorts import led_cohort, members_standing
from courses.selectors.pages import CatalogueEntry, catalogue, shown_checks, step_rows
from courses.selectors.progress import (
    CourseStanding,
    StepStanding,
    get_course,
    get_enrolment,
    standing_of,
)
from courses.services.enrolling import begin_course
from courses.starter import DEFAULT_LANGUAGE

router = Router(tags=["courses"])
router.add_router("", helping_router)


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
    version: int | None = None
    percent: int | None = None
    next_step: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


class CourseDetailSchema(CourseSchema):
    steps: list[StepSchema]


class MemberSchema(Schema):
    """One student of a cohort in one course."""

    user_id: int
    name: str
    course: str
    percent: int
    current_step: str | None
    states: dict[str, str]
    completed_at: datetime | None


class CertificateSchema(Schema):
    """That the caller completed a course; validity is valid, revoked or altered."""

    id: UUID
    course: str
    version: int
    name: str
    validity: str
    path: str
    digest: str
    issued_at: datetime
    revoked_at: datetime | None
    revoked_reason: str


@router.get(
    "/courses", response={200: list[CourseSchema]} | ERROR_RESPONSES, summary="Courses on offer"
)
def list_courses(request: HttpRequest) -> list[dict[str, Any]]:
    return [_course(entry) for entry in catalogue(current_user(request), _language())]


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
    begun = [entry for entry in catalogue(user, _language()) if entry.standing is not None]
    return [_course(entry) | {"steps": _steps(entry)} for entry in begun]


@router.get(
    "/me/certificates",
    response={200: list[CertificateSchema]} | ERROR_RESPONSES,
    summary="Certificates of the caller",
)
def my_certificates(request: HttpRequest) -> list[dict[str, Any]]:
    """Each stands at /certificates/<id>/ for everybody, and all of it at /certificates/<id>.json."""
    return [_certificate(row) for row in certificates_of(current_user(request))]


@router.get(
    "/cohorts/{uuid:cohort_id}/progress",
    response={200: list[MemberSchema]} | ERROR_RESPONSES,
    summary="How far the students of a cohort are, for those who lead it",
)
def cohort_progress(request: HttpRequest, cohort_id: UUID) -> list[dict[str, Any]]:
    cohort = led_cohort(current_user(request), cohort_id)
    return [_member(standing) for standing in members_standing(cohort)]


def _detail(user: User, slug: str) -> dict[str, Any]:
    course = get_course(user, slug)
    entry = next(entry for entry in catalogue(user, _language()) if entry.course == course)
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
    rows = step_rows(entry.content, None, _language())
    return [
        _plain(step) | {"title": row.title, "state": row.standing.value}
        for step, row in zip(entry.content.steps, rows, strict=True)
    ]


def _step(enrolment: Enrolment, item: StepStanding) -> dict[str, Any]:
    language = _language()
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


def _member(standing: CourseStanding) -> dict[str, Any]:
    enrolment, following = standing.enrolment, standing.next_step
    return {
        "user_id": enrolment.user_id,
        "name": str(enrolment.user),
        "course": enrolment.course.slug,
        "percent": standing.percent,
        "current_step": following.step.key if following else None,
        "states": {item.step.key: item.standing.value for item in standing.steps},
        "completed_at": enrolment.completed_at,
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "id": certificate.pk,
        "course": certificate.version.course.slug,
        "version": certificate.version.number,
        "name": certificate.name,
        "validity": validity_of(certificate).value,
        "path": reverse("certificates:certificate", args=[certificate.pk]),
        "digest": certificate.digest,
        "issued_at": certificate.issued_at,
        "revoked_at": certificate.revoked_at,
        "revoked_reason": certificate.revoked_reason,
    }


def _language() -> str:
    return get_language() or DEFAULT_LANGUAGE
