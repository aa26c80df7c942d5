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
from courses.models.measuring import HiddenMeasurement
from courses.models.progress import Enrolment, EnrolmentQuerySet, StepProgress
from courses.models.teaching import Certificate, DueOverride, Feedback, HelpRequest, PinnedJob

__all__ = [
    "Certificate",
    "CheckResult",
    "CohortCourse",
    "Course",
    "CourseVersion",
    "DueOverride",
    "Enrolment",
    "EnrolmentQuerySet",
    "Evidence",
    "Feedback",
    "HelpRequest",
    "HiddenMeasurement",
    "HintView",
    "PageView",
    "PinnedJob",
    "QuizAnswer",
    "Reflection",
    "ScoreEvent",
    "StepProgress",
]
