"""Addresses of the page of models."""

from __future__ import annotations

from django.urls import path

from modelhub import views

app_name = "modelhub"
urlpatterns = [
    path("", views.model_list, name="model_list"),
    path("ollama/", views.ollama_status, name="ollama_status"),
    path("refresh/", views.refresh, name="refresh"),
    path("pulls/", views.pull_new, name="pull_new"),
    path("pulls/<uuid:pull_id>/stop/", views.pull_stop, name="pull_stop"),
]
