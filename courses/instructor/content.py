"""The courses of a class: which it takes, from when to when, at which version, and what that version says."""

from __future__ import annotations

from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import ConflictError, InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest
from courses.forms.class_content import AddCourseForm, CourseDatesForm
from courses.instructor.content_pages import (
    add_form,
    course_context,
    list_context,
    step_context,
)
from courses.instructor.frame import (
    PROJECTED,
    Classroom,
    ClassroomView,
    View,
    for_leaders,
    for_reviewers,
    render_page,
)
from courses.models import Course, CourseVersion
from courses.selectors.class_content import (
    ClassCourse,
    class_course,
    may_change_content,
)
from courses.selectors.class_time import zone_of
from courses.selectors.pinned import reading_language
from courses.services.class_content import (
    add_course,
    pin_version,
    remove_course,
    set_dates,
)
from courses.wording.versions import moved_sentence

TAB = "content"


def for_instructors(view: ClassroomView) -> View:
    """As for_leaders, but an assistant is refused too."""

    @for_leaders
    @wraps(view)
    def wrapped(
        request: AuthenticatedRequest, classroom: Classroom, **kwargs: Any
    ) -> HttpResponseBase:
        if not may_change_content(request.user, classroom.cohort):
            raise PermissionDenied(
                _("Only instructors of the class decide what it learns. Ask one of them.")
            )
        return view(request, classroom, **kwargs)

    return wrapped


@require_safe
@for_reviewers
def content(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    return _list(request, classroom)


@require_POST
@for_instructors
def content_add(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    form = add_form(classroom, request.user, reading_language(), request.POST)
    if not form.is_valid():
        return _list(request, classroom, form=form, status=422)
    course = Course.objects.get(slug=form.cleaned_data["course"])
    try:
        add_course(request.user, classroom.cohort, course)
    except ConflictError as error:
        messages.warning(request, str(error.message))
    else:
        messages.success(request, _("The class takes this course now, at its newest version."))
    return redirect(_address(classroom, "content_course", course.slug))


@require_safe
@for_reviewers
def content_course(request: AuthenticatedRequest, classroom: Classroom, slug: str) -> HttpResponse:
    return _course(request, classroom, _found(classroom, slug))


@require_POST
@for_instructors
def content_dates(request: AuthenticatedRequest, classroom: Classroom, slug: str) -> HttpResponse:
    entry = _found(classroom, slug)
    with timezone.override(zone_of(classroom.cohort)):
        form = CourseDatesForm(request.POST)
        if not form.is_valid():
            return _course(request, classroom, entry, form=form, status=422)
    try:
        set_dates(request.user, entry.row, **form.cleaned_data)
    except InvalidInputError as error:
        form.add_faults(error)
        return _course(request, classroom, entry, form=form, status=422)
    messages.success(request, _("Saved. It holds for the whole class from now on."))
    return redirect(_address(classroom, "content_course", slug))


@require_POST
@for_instructors
def content_pin(request: AuthenticatedRequest, classroom: Classroom, slug: str) -> HttpResponse:
    entry = _found(classroom, slug)
    version = _version(entry, request.POST.get("version", ""))
    plan = pin_version(request.user, entry.row, version)
    messages.success(
        request,
        _("The class takes version %(version)d now.") % {"version": version.number}
        + " "
        + moved_sentence(len(plan.moving), len(plan.losing) + len(plan.completed)),
    )
    return redirect(_address(classroom, "content_course", slug))


@require_http_methods(["GET", "HEAD", "POST"])
@for_instructors
def content_remove(request: AuthenticatedRequest, classroom: Classroom, slug: str) -> HttpResponse:
    entry = _found(classroom, slug)
    if request.method != "POST":
        context = {"entry": entry, "query": _query(classroom)}
        return render_page(request, classroom, TAB, context, template="content_remove")
    remove_course(request.user, entry.row)
    messages.success(
        request, _("The class does not take “%(title)s” any more.") % {"title": entry.title}
    )
    return redirect(classroom.address(TAB))


@require_safe
@for_reviewers
def content_step(
    request: AuthenticatedRequest, classroom: Classroom, slug: str, key: str
) -> HttpResponse:
    """A step as students read it, with everything that opens for them little by little."""
    entry = _found(classroom, slug)
    language = _chosen_language(request, "language")
    number = request.GET.get("version", "")
    version = _version(entry, number) if number else entry.pinned
    try:
        context = step_context(entry, version, key, language)
    except NotFoundError as error:
        raise Http404(error.message) from error
    context["query"] = _query(classroom)
    return render_page(request, classroom, TAB, context, template="content_step")


def _list(
    request: AuthenticatedRequest,
    classroom: Classroom,
    *,
    form: AddCourseForm | None = None,
    status: int = 200,
) -> HttpResponse:
    language = reading_language()
    form = form or add_form(classroom, request.user, language)
    context = list_context(classroom, request.user, language, form)
    context["query"] = _query(classroom)
    with timezone.override(zone_of(classroom.cohort)):
        return render_page(request, classroom, TAB, context, status=status)


def _course(
    request: AuthenticatedRequest,
    classroom: Classroom,
    entry: ClassCourse,
    *,
    form: CourseDatesForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Compared with the version that the address names, or with the newest one."""
    number = request.GET.get("to", "")
    other = _version(entry, number) if number else entry.newest
    context = course_context(
        classroom,
        entry,
        other,
        language=reading_language(),
        step_key=request.GET.get("step", ""),
        text_language=_chosen_language(request, "text"),
    )
    context["query"] = _query(classroom)
    context["can_change"] = may_change_content(request.user, classroom.cohort)
    with timezone.override(zone_of(classroom.cohort)):
        context["form"] = form or CourseDatesForm(
            initial={"release_at": entry.row.release_at, "due_at": entry.row.due_at}
        )
        return render_page(
            request, classroom, TAB, context, template="content_course", status=status
        )


def _found(classroom: Classroom, slug: str) -> ClassCourse:
    try:
        return class_course(classroom.cohort, slug, reading_language())
    except NotFoundError as error:
        raise Http404(error.message) from error


def _version(entry: ClassCourse, number: str) -> CourseVersion:
    for version in entry.versions:
        if str(version.number) == number:
            return version
    raise Http404(_("This course has no such version."))


def _chosen_language(request: HttpRequest, name: str) -> str:
    chosen = request.GET.get(name, "") or reading_language()
    return "ja" if chosen.startswith("ja") else "en"


def _address(classroom: Classroom, name: str, *arguments: str) -> str:
    address = reverse(f"classroom:{name}", args=[classroom.cohort.pk, *arguments])
    return address + _query(classroom)


def _query(classroom: Classroom) -> str:
    return "?" + urlencode({PROJECTED: 1}) if classroom.is_projected else ""


urlpatterns = [
    path("<uuid:cohort_id>/content/", content, name="content"),
    path("<uuid:cohort_id>/content/add/", content_add, name="content_add"),
    path("<uuid:cohort_id>/content/<slug:slug>/", content_course, name="content_course"),
    path("<uuid:cohort_id>/content/<slug:slug>/dates/", content_dates, name="content_dates"),
    path("<uuid:cohort_id>/content/<slug:slug>/pin/", content_pin, name="content_pin"),
    path("<uuid:cohort_id>/content/<slug:slug>/remove/", content_remove, name="content_remove"),
    path(
        "<uuid:cohort_id>/content/<slug:slug>/steps/<slug:key>/", content_step, name="content_step"
    ),
]
