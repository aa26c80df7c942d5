"""Addresses of the chat pages."""

from __future__ import annotations

from django.urls import path

from chat.views import (
    arena,
    branching,
    differences,
    judging,
    keeping,
    listing,
    prompt_runs,
    prompt_sets,
    room,
    voting,
)

app_name = "chat"
urlpatterns = [
    path("", listing.session_list, name="session_list"),
    path("new/", listing.session_new, name="session_new"),
    path("arena/", arena.arena, name="arena"),
    path("arena/<uuid:cohort_id>/", arena.arena_board, name="arena_board"),
    path("arena/<uuid:cohort_id>/duels/", arena.arena_begin, name="arena_begin"),
    path("arena/duels/<uuid:session_id>/", arena.arena_duel, name="arena_duel"),
    path("arena/duels/<uuid:session_id>/vote/", arena.arena_vote, name="arena_vote"),
    path("prompt-sets/", prompt_sets.prompt_set_list, name="prompt_set_list"),
    path("prompt-sets/new/", prompt_sets.prompt_set_new, name="prompt_set_new"),
    path("prompt-sets/copy/", prompt_sets.course_copy, name="course_copy"),
    path("prompt-sets/<uuid:set_id>/", prompt_sets.prompt_set, name="prompt_set"),
    path(
        "prompt-sets/<uuid:set_id>/rename/",
        prompt_sets.prompt_set_rename,
        name="prompt_set_rename",
    ),
    path(
        "prompt-sets/<uuid:set_id>/duplicate/",
        prompt_sets.prompt_set_duplicate,
        name="prompt_set_duplicate",
    ),
    path(
        "prompt-sets/<uuid:set_id>/delete/",
        prompt_sets.prompt_set_delete,
        name="prompt_set_delete",
    ),
    path("prompt-sets/<uuid:set_id>/items/", prompt_sets.prompt_item_add, name="prompt_item_add"),
    path(
        "prompt-sets/<uuid:set_id>/items/<int:number>/",
        prompt_sets.prompt_item_change,
        name="prompt_item_change",
    ),
    path(
        "prompt-sets/<uuid:set_id>/items/<int:number>/remove/",
        prompt_sets.prompt_item_remove,
        name="prompt_item_remove",
    ),
    path("prompt-runs/new/", prompt_runs.prompt_run_new, name="prompt_run_new"),
    path("prompt-runs/<uuid:run_id>/", prompt_runs.prompt_run, name="prompt_run"),
    path(
        "prompt-runs/<uuid:run_id>/cancel/", prompt_runs.prompt_run_cancel, name="prompt_run_cancel"
    ),
    path(
        "prompt-runs/<uuid:run_id>/delete/", prompt_runs.prompt_run_delete, name="prompt_run_delete"
    ),
    path(
        "prompt-runs/<uuid:run_id>/export/", prompt_runs.prompt_run_export, name="prompt_run_export"
    ),
    path("<uuid:session_id>/", room.session_detail, name="session_detail"),
    path("<uuid:session_id>/messages/", room.message_send, name="message_send"),
    path("<uuid:session_id>/live/", room.session_live, name="session_live"),
    path("<uuid:session_id>/cancel/", room.session_cancel, name="session_cancel"),
    path("<uuid:session_id>/rename/", keeping.session_rename, name="session_rename"),
    path("<uuid:session_id>/settings/", keeping.session_settings, name="session_settings"),
    path("<uuid:session_id>/export/", keeping.session_export, name="session_export"),
    path("<uuid:session_id>/delete/", keeping.session_delete, name="session_delete"),
    path("<uuid:session_id>/reveal/", voting.session_reveal, name="session_reveal"),
    path("messages/<uuid:message_id>/", branching.message_detail, name="message_detail"),
    path("messages/<uuid:message_id>/edit/", branching.message_edit, name="message_edit"),
    path("messages/<uuid:message_id>/show/", branching.branch_show, name="branch_show"),
    path(
        "messages/<uuid:message_id>/regenerate/",
        branching.message_regenerate,
        name="message_regenerate",
    ),
    path(
        "messages/<uuid:message_id>/differences/",
        differences.message_differences,
        name="message_differences",
    ),
    path("messages/<uuid:message_id>/vote/", voting.message_vote, name="message_vote"),
    path(
        "replies/<uuid:reply_id>/regenerate/", branching.reply_regenerate, name="reply_regenerate"
    ),
    path("replies/<uuid:reply_id>/choose/", branching.take_choose, name="take_choose"),
    path("replies/<uuid:reply_id>/rate/", judging.reply_rate, name="reply_rate"),
    path("replies/<uuid:reply_id>/correct/", judging.reply_correct, name="reply_correct"),
]
