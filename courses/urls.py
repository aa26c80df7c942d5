"""Addresses of the lessons."""

from __future__ import annotations

from django.urls import path

from courses.views import catalogue, certificates, examples, helping, measuring, starter_sets, steps

app_name = "courses"
urlpatterns = [
    path("", catalogue.course_list, name="course_list"),
    path("starter-datasets/", starter_sets.starter_sets, name="starter_sets"),
    path("starter-dataset/", starter_sets.use_starter_dataset, name="use_starter_dataset"),
    path("examples/<uuid:pinned_id>/", examples.example, name="example"),
    path("<slug:slug>/", catalogue.course_detail, name="course_detail"),
    path("<slug:slug>/begin/", catalogue.course_begin, name="course_begin"),
    path("<slug:slug>/certificate/", certificates.certificate_new, name="certificate_new"),
    path("<slug:slug>/resume/", steps.course_resume, name="course_resume"),
    path("<slug:slug>/steps/<slug:key>/", steps.step_detail, name="step_detail"),
    path("<slug:slug>/steps/<slug:key>/go/", steps.step_go, name="step_go"),
    path("<slug:slug>/steps/<slug:key>/beat/", steps.step_beat, name="step_beat"),
    path("<slug:slug>/steps/<slug:key>/check/", steps.step_check, name="step_check"),
    path("<slug:slug>/steps/<slug:key>/quiz/", steps.step_quiz, name="step_quiz"),
    path("<slug:slug>/steps/<slug:key>/reflection/", steps.step_reflection, name="step_reflection"),
    path(
        "<slug:slug>/steps/<slug:key>/measuring/", measuring.step_measuring, name="step_measuring"
    ),
    path("<slug:slug>/steps/<slug:key>/measure/", measuring.step_measure, name="step_measure"),
    path("<slug:slug>/steps/<slug:key>/help/", helping.step_help, name="step_help"),
    path("<slug:slug>/steps/<slug:key>/help/ask/", helping.step_help_ask, name="step_help_ask"),
    path(
        "<slug:slug>/steps/<slug:key>/help/take-back/",
        helping.step_help_take_back,
        name="step_help_take_back",
    ),
    path(
        "<slug:slug>/steps/<slug:key>/hints/<slug:check>/<int:level>/",
        steps.step_hint,
        name="step_hint",
    ),
]
