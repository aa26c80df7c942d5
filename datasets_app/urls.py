"""Addresses of the dataset pages."""

from __future__ import annotations

from django.urls import path

from datasets_app.views import (
    class_datasets,
    class_rows,
    copying,
    deleting,
    downloading,
    editing,
    importing,
    listing,
    making,
    overlapping,
    previewing,
    reading,
    reporting,
    sharing,
    versions,
)

app_name = "datasets"
urlpatterns = [
    path("", listing.dataset_list, name="dataset_list"),
    path("new/", making.dataset_new, name="dataset_new"),
    path("imports/<uuid:import_id>/", importing.dataset_import, name="dataset_import"),
    path("imports/<uuid:import_id>/status/", importing.import_status, name="import_status"),
    path("imports/<uuid:import_id>/discard/", importing.import_discard, name="import_discard"),
    path("<uuid:dataset_id>/overlap/", overlapping.dataset_overlap, name="dataset_overlap"),
    path("<uuid:dataset_id>/report/", reporting.dataset_report, name="dataset_report"),
    path("<uuid:dataset_id>/", reading.dataset_detail, name="dataset_detail"),
    path("<uuid:dataset_id>/download/", downloading.dataset_download, name="dataset_download"),
    path("<uuid:dataset_id>/delete/", deleting.dataset_delete, name="dataset_delete"),
    path("<uuid:dataset_id>/preview/", previewing.dataset_preview, name="dataset_preview"),
    path("new-class/", class_datasets.class_dataset_new, name="class_dataset_new"),
    path("<uuid:dataset_id>/sharing/", sharing.dataset_sharing, name="dataset_sharing"),
    path("<uuid:dataset_id>/rows/", class_rows.class_rows, name="class_rows"),
    path("<uuid:dataset_id>/rows/review/", class_rows.class_rows_review, name="class_rows_review"),
    path("<uuid:dataset_id>/rows/save/", class_rows.class_rows_save, name="class_rows_save"),
    path(
        "<uuid:dataset_id>/rows/<uuid:row_id>/withdraw/",
        class_rows.class_row_withdraw,
        name="class_row_withdraw",
    ),
    path("<uuid:dataset_id>/examples/new/", editing.example_add, name="example_add"),
    path("<uuid:dataset_id>/examples/<int:number>/", editing.example_edit, name="example_edit"),
    path(
        "<uuid:dataset_id>/examples/<int:number>/delete/",
        editing.example_delete,
        name="example_delete",
    ),
    path("<uuid:dataset_id>/versions/", versions.dataset_versions, name="dataset_versions"),
    path(
        "<uuid:dataset_id>/versions/<int:number>/restore/",
        versions.dataset_restore,
        name="dataset_restore",
    ),
    path(
        "<uuid:dataset_id>/versions/<int:number>/delete/",
        versions.version_delete,
        name="version_delete",
    ),
    path(
        "<uuid:dataset_id>/versions/<int:old_number>/<int:new_number>/",
        versions.dataset_diff,
        name="dataset_diff",
    ),
    path("<uuid:dataset_id>/split/", copying.dataset_split, name="dataset_split"),
    path("<uuid:dataset_id>/fork/", copying.dataset_fork, name="dataset_fork"),
]
