"""Addresses of the pages of a class; each page keeps its own in its module."""

from __future__ import annotations

from django.urls import URLPattern

from courses.instructor import live, needs

app_name = "classroom"
urlpatterns: list[URLPattern] = []
urlpatterns += live.urlpatterns
urlpatterns += needs.urlpatterns
