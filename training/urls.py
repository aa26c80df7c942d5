"""Pages of training."""

from __future__ import annotations

from django.urls import path

from training.views import (
    comparing,
    curves,
    jobs,
    list,
    new,
    organising,
    queue,
    scripting,
    sharing,
    sweep_new,
    sweeps,
    workers,
)

app_name = "training"
urlpatterns = [
    path("", list.job_list, name="job_list"),
    path("bulk/", list.job_bulk, name="job_bulk"),
    path("new/", new.job_new, name="job_new"),
    path("new/settings/", new.job_settings, name="job_settings"),
    path("new/plan/", new.job_plan, name="job_plan"),
    path("new/rows/", new.job_rows, name="job_rows"),
    path("new/fit/", new.job_fit, name="job_fit"),
    path("workers/", workers.worker_list, name="worker_list"),
    path("workers/<int:worker_id>/pause/", workers.worker_pause, name="worker_pause"),
    path("workers/<int:worker_id>/resume/", workers.worker_resume, name="worker_resume"),
    path("queue/", queue.queue_board, name="queue"),
    path("queue/<uuid:job_id>/<slug:action>/", queue.queue_change, name="queue_change"),
    path("queue/classes/<uuid:cohort_id>/pause/", queue.cohort_pause, name="queue_pause"),
    path("queue/classes/<uuid:cohort_id>/resume/", queue.cohort_resume, name="queue_resume"),
    path("compare/", comparing.compare, name="compare"),
    path("sweeps/", sweeps.sweep_list, name="sweep_list"),
    path("sweeps/new/", sweep_new.sweep_new, name="sweep_new"),
    path("sweeps/new/plan/", sweep_new.sweep_plan, name="sweep_plan"),
    path("sweeps/<uuid:sweep_id>/", sweeps.sweep_detail, name="sweep_detail"),
    path("sweeps/<uuid:sweep_id>/cancel/", sweeps.sweep_cancel, name="sweep_cancel"),
    path("sweeps/<uuid:sweep_id>/delete/", sweeps.sweep_delete, name="sweep_delete"),
    path("<uuid:job_id>/", jobs.job_detail, name="job_detail"),
    path("<uuid:job_id>/live/", jobs.job_live, name="job_live"),
    path("<uuid:job_id>/cancel/", jobs.job_cancel, name="job_cancel"),
    path("<uuid:job_id>/stop/", jobs.job_stop, name="job_stop"),
    path("<uuid:job_id>/resume/", jobs.job_resume, name="job_resume"),
    path("<uuid:job_id>/delete/", jobs.job_delete, name="job_delete"),
    path("<uuid:job_id>/notebook/", organising.job_notebook, name="job_notebook"),
    path("<uuid:job_id>/notebook/<slug:field>/", organising.job_text, name="job_text"),
    path("<uuid:job_id>/tags/", organising.job_tags, name="job_tags"),
    path("<uuid:job_id>/star/", organising.job_star, name="job_star"),
    path("<uuid:job_id>/archive/", organising.job_archive, name="job_archive"),
    path("<uuid:job_id>/sharing/", sharing.job_sharing, name="job_sharing"),
    path("<uuid:job_id>/sharing/<uuid:cohort_id>/", sharing.job_share, name="job_share"),
    path("<uuid:job_id>/adapter/", jobs.job_adapter, name="job_adapter"),
    path("<uuid:job_id>/code/", scripting.job_code, name="job_code"),
    path("<uuid:job_id>/code/<slug:code_format>/", scripting.job_code_file, name="job_code_file"),
    path("<uuid:job_id>/curves.csv", curves.curves_csv, name="job_curves_csv"),
    path("<uuid:job_id>/curves.json", curves.curves_json, name="job_curves_json"),
    path("<uuid:job_id>/curves/<slug:name>.svg", curves.chart_svg, name="job_chart_svg"),
]
