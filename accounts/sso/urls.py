"""Addresses of signing in through the directory; there are none where the settings name no directory."""

from __future__ import annotations

from django.urls import path

from accounts.sso import views

app_name = "sso"
urlpatterns = [
    path("", views.begin, name="begin"),
    path("callback/", views.callback, name="callback"),
]
