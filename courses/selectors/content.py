"""The text of a version, typed; kept in memory, since a version never changes."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from courses.catalogue.schema import CourseContent
from courses.models import Course, CourseVersion

KEPT_VERSIONS = 32


def content_of(version_id: UUID) -> CourseContent:
    """
    Raises:
        CourseVersion.DoesNotExist: there is no such version.
    """
    return _content(version_id)


@lru_cache(maxsize=KEPT_VERSIONS)
def _content(version_id: UUID) -> CourseContent:
    manifest = CourseVersion.objects.values_list("manifest", flat=True).get(pk=version_id)
    return CourseContent.model_validate(manifest)


def newest_version(course: Course) -> CourseVersion:
    """
    Raises:
        CourseVersion.DoesNotExist: the course was never published.
    """
    version = course.versions.defer("manifest").order_by("-number").first()
    if version is None:
        raise CourseVersion.DoesNotExist
    return version
