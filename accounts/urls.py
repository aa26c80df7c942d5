"""Addresses of a person's own settings; signing in and out with a password is allauth's."""

from __future__ import annotations

from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("settings/", views.settings, name="settings"),
    path("settings/tokens/", views.tokens, name="tokens"),
    path("settings/tokens/<uuid:token_id>/revoke/", views.token_revoke, name="token_revoke"),
    path("settings/theme/", views.theme, name="theme"),
    path("sign-in/", views.sign_in, name="sign_in"),
]
