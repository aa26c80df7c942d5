"""Addresses of the dataset pages."""

from __future__ import annotations

from django.urls import path

from datasets_app.views import deleting, listing, making, reading

app_name = "datasets"
urlpatterns = [
    path("", listing.dataset_list, name="dataset_list"),
    path("new/", making.dataset_new, name="dataset_new"),
    path("<uuid:dataset_id>/", reading.dataset_detail, name="dataset_detail"),
    path("<uuid:dataset_id>/download/", reading.dataset_download, name="dataset_download"),
    path("<uuid:dataset_id>/delete/", deleting.dataset_delete, name="dataset_delete"),
]
