"""Courses and their versions, how far people are in them, and what proves it."""

from __future__ import annotations

from courses.models.content import CohortCourse, Course, CourseVersion
from courses.models.facts import (
    CheckResult,
    Evidence,
    HintView,
    PageView,
    QuizAnswer,
    Reflection,
    ScoreEvent,
)
from courses.models.progress import Enrolment, EnrolmentQuerySet, StepProgress

__all__ = [
    "CheckResult",
    "CohortCourse",
    "Course",
    "CourseVersion",
    "Enrolment",
    "EnrolmentQuerySet",
    "Evidence",
    "HintView",
    "PageView",
    "QuizAnswer",
    "Reflection",
    "ScoreEvent",
    "StepProgress",
]
