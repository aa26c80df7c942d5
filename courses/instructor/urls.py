"""Addresses of the pages of a class; each page keeps its own in its module."""

from __future__ import annotations

from django.urls import URLPattern

from courses.instructor import compute, run, runs, sweep

app_name = "classroom"
urlpatterns: list[URLPattern] = []
urlpatterns += runs.urlpatterns
urlpatterns += run.urlpatterns
urlpatterns += sweep.urlpatterns
urlpatterns += compute.urlpatterns
