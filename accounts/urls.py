"""Addresses of a person's own settings and notifications; signing in and out with a password is allauth's."""

from __future__ import annotations

from django.urls import path

from accounts import (
    class_new_view,
    class_views,
    data_views,
    join_views,
    notification_views,
    views,
)

app_name = "accounts"
urlpatterns = [
    path("classes/", class_views.class_list, name="class_list"),
    path("classes/<uuid:cohort_id>/leave/", class_views.class_leave, name="class_leave"),
    path(
        "classes/requests/<uuid:request_id>/take-back/",
        class_views.request_take_back,
        name="request_take_back",
    ),
    path("join/", join_views.join_form, name="join_form"),
    path("join/<str:code>/", join_views.join_class, name="join_class"),
    path("classes/new/", class_new_view.class_new, name="class_new"),
    path("settings/", views.settings, name="settings"),
    path("settings/tokens/", views.tokens, name="tokens"),
    path("settings/tokens/<uuid:token_id>/revoke/", views.token_revoke, name="token_revoke"),
    path("settings/data/", data_views.data, name="data"),
    path("settings/data/export/", data_views.data_export, name="data_export"),
    path("settings/data/erase/", data_views.data_erase, name="data_erase"),
    path("settings/data/<uuid:request_id>/cancel/", data_views.data_cancel, name="data_cancel"),
    path("settings/data/<uuid:request_id>/", data_views.data_download, name="data_download"),
    path("settings/theme/", views.theme, name="theme"),
    path("sign-in/", views.sign_in, name="sign_in"),
    path("notifications/", notification_views.notifications, name="notifications"),
    path("notifications/bell/", notification_views.notification_bell, name="notification_bell"),
    path("notifications/seen/", notification_views.notifications_seen, name="notifications_seen"),
    path(
        "notifications/<uuid:notification_id>/",
        notification_views.notification_open,
        name="notification_open",
    ),
]
