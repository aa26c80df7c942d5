"""Pages of training."""

from __future__ import annotations

from django.urls import path

from training.views import jobs, new

app_name = "training"
urlpatterns = [
    path("", jobs.job_list, name="job_list"),
    path("new/", new.job_new, name="job_new"),
    path("new/settings/", new.job_settings, name="job_settings"),
    path("new/plan/", new.job_plan, name="job_plan"),
    path("<uuid:job_id>/", jobs.job_detail, name="job_detail"),
    path("<uuid:job_id>/live/", jobs.job_live, name="job_live"),
    path("<uuid:job_id>/cancel/", jobs.job_cancel, name="job_cancel"),
    path("<uuid:job_id>/stop/", jobs.job_stop, name="job_stop"),
    path("<uuid:job_id>/delete/", jobs.job_delete, name="job_delete"),
    path("<uuid:job_id>/adapter/", jobs.job_adapter, name="job_adapter"),
]
