"""Addresses of the dataset pages."""

from __future__ import annotations

from django.urls import path

from datasets_app import views

app_name = "datasets"
urlpatterns = [
    path("", views.dataset_list, name="dataset_list"),
    path("new/", views.dataset_new, name="dataset_new"),
    path("<uuid:dataset_id>/", views.dataset_detail, name="dataset_detail"),
    path("<uuid:dataset_id>/download/", views.dataset_download, name="dataset_download"),
    path("<uuid:dataset_id>/delete/", views.dataset_delete, name="dataset_delete"),
]
