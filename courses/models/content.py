"""Courses as they were read from their folders: versions that never change."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Cohort
from common.models import UuidModel


class Course(models.Model):
    """One course; what it says stands in its versions."""

    slug = models.SlugField(_("short name"), unique=True)
    level = models.PositiveSmallIntegerField(_("level"))
    is_offered = models.BooleanField(_("offered"), default=True)

    class Meta:
        verbose_name = _("course")
        verbose_name_plural = _("courses")
        ordering = ["level", "slug"]

    def __str__(self) -> str:
        return self.slug


class CourseVersion(UuidModel):
    """What a course said at one time.

    Attributes:
        number: counts the versions of a course, from 1.
        digest: sha256 of the manifest.
        manifest: all of it, texts of both languages included (courses.catalogue.schema.CourseContent).
    """

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    digest = models.CharField(max_length=64)
    manifest = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("course version")
        verbose_name_plural = _("course versions")
        ordering = ["course", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["course", "number"], name="course_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.course} {self.number}"


class CohortCourse(UuidModel):
    """A course that a cohort takes, at the version that it was pinned to.

    Attributes:
        release_at: empty for at once.
        due_at: empty for never; one person's own date is a DueOverride.
        opened_steps: keys of steps that the instructor opened for all.
    """

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="courses")
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="cohort_courses")
    version = models.ForeignKey(
        CourseVersion, on_delete=models.PROTECT, related_name="cohort_courses"
    )
    release_at = models.DateTimeField(_("opens"), null=True, blank=True)
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    opened_steps = models.JSONField(_("steps open for all"), default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("course of a cohort")
        verbose_name_plural = _("courses of a cohort")
        ordering = ["course__level"]
        constraints = [
            models.UniqueConstraint(fields=["cohort", "course"], name="cohort_course_once")
        ]

    def __str__(self) -> str:
        return f"{self.course_id} in {self.cohort_id}"

    def clean(self) -> None:
        if self.version_id and self.course_id and self.version.course_id != self.course_id:
            raise ValidationError(
                {"version": _("This is a version of another course. Choose one of this course.")}
            )
