"""Addresses of the pages of a class; each page keeps its own in its module."""

from __future__ import annotations

from django.urls import URLPattern

from courses.instructor import privacy

app_name = "classroom"
urlpatterns: list[URLPattern] = []
urlpatterns += privacy.urlpatterns
