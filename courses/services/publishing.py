"""Bring what stands in the courses' folders into the database, as versions that never change."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from common.canonical_json import json_digest
from courses.catalogue.reading import read_course
from courses.catalogue.schema import CourseContent
from courses.models import Course, CourseVersion
from courses.starter import CONTENT_FOLDER


def publish_courses(folder: Path = CONTENT_FOLDER) -> list[CourseVersion]:
    """A new version of every course whose text changed; courses without a folder are offered no more.

    Raises:
        ContentError: a course is faulty; then nothing is published.
    """
    contents = [read_course(path.parent) for path in sorted(folder.glob("*/course.yml"))]
    with transaction.atomic():
        published = [version for content in contents if (version := publish(content)) is not None]
        slugs = [content.about.slug for content in contents]
        Course.objects.exclude(slug__in=slugs).update(is_offered=False)
    return published


@transaction.atomic
def publish(content: CourseContent) -> CourseVersion | None:
    """The course's next version, or None when the newest says the same."""
    manifest = content.model_dump(mode="json", by_alias=True)
    digest = json_digest(manifest)
    about = content.about
    course, _is_new = Course.objects.update_or_create(
        slug=about.slug, defaults={"level": about.level, "is_offered": not about.draft}
    )
    course = Course.objects.select_for_update().get(pk=course.pk)
    newest = course.versions.order_by("-number").first()
    if newest is not None and newest.digest == digest:
        return None
    number = newest.number + 1 if newest else 1
    return CourseVersion.objects.create(
        course=course, number=number, digest=digest, manifest=manifest
    )
