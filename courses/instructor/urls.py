"""Addresses of the pages of a class; each page keeps its own in its module."""

from __future__ import annotations

from django.urls import URLPattern

from courses.instructor import (
    content,
    extending,
    live,
    members,
    needs,
    roster,
    roster_import,
    roster_joining,
    settings,
    view_as,
)

app_name = "classroom"
urlpatterns: list[URLPattern] = [
    *live.urlpatterns,
    *needs.urlpatterns,
    *roster.urlpatterns,
    *roster_joining.urlpatterns,
    *roster_import.urlpatterns,
    *members.urlpatterns,
    *extending.urlpatterns,
    *view_as.urlpatterns,
    *content.urlpatterns,
    *settings.urlpatterns,
]
