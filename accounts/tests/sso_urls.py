"""The addresses of an installation that has a directory."""

from __future__ import annotations

from django.urls import include, path

from llmlora_site.urls import urlpatterns as without_directory

urlpatterns = [path("accounts/sso/", include("accounts.sso.urls")), *without_directory]
