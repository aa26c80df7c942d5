"""Addresses of the pages of a class; each page keeps its own in its module."""

from __future__ import annotations

from django.urls import URLPattern

from courses.instructor import funnel, grade, gradebook, gradebook_exempt, gradebook_import

app_name = "classroom"
urlpatterns: list[URLPattern] = []
urlpatterns += gradebook.urlpatterns
urlpatterns += grade.urlpatterns
urlpatterns += gradebook_exempt.urlpatterns
urlpatterns += gradebook_import.urlpatterns
urlpatterns += funnel.urlpatterns
