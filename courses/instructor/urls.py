"""Addresses of the pages of a class; each page keeps its own in its module."""

from __future__ import annotations

from django.urls import URLPattern

from courses.instructor import extending, members, roster, roster_import, roster_joining, view_as

app_name = "classroom"
urlpatterns: list[URLPattern] = []
urlpatterns += roster.urlpatterns
urlpatterns += roster_joining.urlpatterns
urlpatterns += roster_import.urlpatterns
urlpatterns += members.urlpatterns
urlpatterns += extending.urlpatterns
urlpatterns += view_as.urlpatterns
