"""Addresses of the lessons."""

from __future__ import annotations

from django.urls import path

from courses import views

app_name = "courses"
urlpatterns = [
    path("starter-datasets/", views.starter_sets, name="starter_sets"),
    path("starter-dataset/", views.use_starter_dataset, name="use_starter_dataset"),
]
