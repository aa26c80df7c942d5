"""Pages of training."""

from __future__ import annotations

from django.urls import path

from training import views

app_name = "training"
urlpatterns = [
    path("", views.job_list, name="job_list"),
    path("new/", views.job_new, name="job_new"),
    path("new/settings/", views.job_settings, name="job_settings"),
    path("new/plan/", views.job_plan, name="job_plan"),
    path("<uuid:job_id>/", views.job_detail, name="job_detail"),
    path("<uuid:job_id>/live/", views.job_live, name="job_live"),
    path("<uuid:job_id>/cancel/", views.job_cancel, name="job_cancel"),
    path("<uuid:job_id>/stop/", views.job_stop, name="job_stop"),
    path("<uuid:job_id>/delete/", views.job_delete, name="job_delete"),
    path("<uuid:job_id>/adapter/", views.job_adapter, name="job_adapter"),
]
