"""Addresses of the chat pages."""

from __future__ import annotations

from django.urls import path

from chat.views import branching, judging, keeping, listing, room

app_name = "chat"
urlpatterns = [
    path("", listing.session_list, name="session_list"),
    path("new/", listing.session_new, name="session_new"),
    path("<uuid:session_id>/", room.session_detail, name="session_detail"),
    path("<uuid:session_id>/messages/", room.message_send, name="message_send"),
    path("<uuid:session_id>/live/", room.session_live, name="session_live"),
    path("<uuid:session_id>/cancel/", room.session_cancel, name="session_cancel"),
    path("<uuid:session_id>/rename/", keeping.session_rename, name="session_rename"),
    path("<uuid:session_id>/settings/", keeping.session_settings, name="session_settings"),
    path("<uuid:session_id>/export/", keeping.session_export, name="session_export"),
    path("<uuid:session_id>/delete/", keeping.session_delete, name="session_delete"),
    path("messages/<uuid:message_id>/", branching.message_detail, name="message_detail"),
    path("messages/<uuid:message_id>/edit/", branching.message_edit, name="message_edit"),
    path("messages/<uuid:message_id>/show/", branching.branch_show, name="branch_show"),
    path(
        "replies/<uuid:reply_id>/regenerate/", branching.reply_regenerate, name="reply_regenerate"
    ),
    path("replies/<uuid:reply_id>/choose/", branching.take_choose, name="take_choose"),
    path("replies/<uuid:reply_id>/rate/", judging.reply_rate, name="reply_rate"),
    path("replies/<uuid:reply_id>/correct/", judging.reply_correct, name="reply_correct"),
]
