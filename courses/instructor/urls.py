"""Addresses of the pages of a class; each page keeps its own in its module."""

from __future__ import annotations

from django.urls import URLPattern

from courses.instructor import (
    compute,
    content,
    extending,
    funnel,
    grade,
    grade_feedback,
    gradebook,
    gradebook_exempt,
    gradebook_import,
    live,
    members,
    needs,
    opening,
    privacy,
    roster,
    roster_import,
    roster_joining,
    run,
    runs,
    settings,
    sweep,
    view_as,
)

app_name = "classroom"
urlpatterns: list[URLPattern] = [
    *live.urlpatterns,
    *needs.urlpatterns,
    *runs.urlpatterns,
    *run.urlpatterns,
    *sweep.urlpatterns,
    *funnel.urlpatterns,
    *gradebook.urlpatterns,
    *grade.urlpatterns,
    *grade_feedback.urlpatterns,
    *gradebook_exempt.urlpatterns,
    *gradebook_import.urlpatterns,
    *roster.urlpatterns,
    *roster_joining.urlpatterns,
    *roster_import.urlpatterns,
    *members.urlpatterns,
    *extending.urlpatterns,
    *view_as.urlpatterns,
    *compute.urlpatterns,
    *content.urlpatterns,
    *opening.urlpatterns,
    *settings.urlpatterns,
    *privacy.urlpatterns,
]
