"""Addresses of the chat pages."""

from __future__ import annotations

from django.urls import path

from chat import views

app_name = "chat"
urlpatterns = [
    path("", views.session_list, name="session_list"),
    path("new/", views.session_new, name="session_new"),
    path("<uuid:session_id>/", views.session_detail, name="session_detail"),
    path("<uuid:session_id>/messages/", views.message_send, name="message_send"),
    path("<uuid:session_id>/live/", views.session_live, name="session_live"),
    path("<uuid:session_id>/cancel/", views.session_cancel, name="session_cancel"),
    path("<uuid:session_id>/rename/", views.session_rename, name="session_rename"),
    path("<uuid:session_id>/delete/", views.session_delete, name="session_delete"),
]
