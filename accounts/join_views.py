"""Join a class by its code: the form, and the page that says what one joins before one does."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.forms import JoinForm
from accounts.joining.classes import leader_names
from accounts.joining.codes import shown_code
from accounts.joining.entering import Entry, State, class_of_code, entry_of, join
from accounts.joining.openness import refusal
from accounts.models import Cohort, Membership
from common.errors import ConflictError, DomainError, NotFoundError, TooManyRequestsError
from common.http import AuthenticatedRequest

INVALID = 422


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def join_form(request: AuthenticatedRequest) -> HttpResponse:
    """A right code leads to the page of its class; here nobody is joined yet."""
    if request.method != "POST":
        return _form_page(request, JoinForm())
    form = JoinForm(request.POST)
    if not form.is_valid():
        return _form_page(request, form, status=INVALID)
    try:
        cohort = class_of_code(request.user, _address(request), form.cleaned_data["code"])
    except NotFoundError as error:
        return _refused(request, form, error, status=INVALID)
    except TooManyRequestsError as error:
        return _refused(request, form, error)
    return redirect("accounts:join_class", shown_code(cohort.join_code))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def join_class(request: AuthenticatedRequest, code: str) -> HttpResponse:
    """Which class it is and what its leaders will see; POST joins it."""
    try:
        cohort = class_of_code(request.user, _address(request), code)
        if request.method != "POST":
            return _class_page(request, cohort)
        entry = join(request.user, cohort)
    except ConflictError as error:
        return _class_page(request, cohort, refused=str(error.message), status=error.status)
    except (NotFoundError, TooManyRequestsError) as error:
        return _refused(request, JoinForm({"code": code}), error)
    return _welcome(request, entry)


def _welcome(request: AuthenticatedRequest, entry: Entry) -> HttpResponse:
    name = {"name": entry.cohort.name}
    if entry.state == State.WAITING:
        sentence = _("“%(name)s” approves who joins: your request waits until it is decided.")
        messages.success(request, sentence % name)
        return redirect("accounts:class_list")
    messages.success(request, _("You are in the class “%(name)s”.") % name)
    is_reviewer = entry.role in Membership.REVIEWERS
    return redirect("accounts:class_list" if is_reviewer else "courses:course_list")


def _form_page(request: AuthenticatedRequest, form: JoinForm, *, status: int = 200) -> HttpResponse:
    return render(request, "accounts/join.html", {"form": form}, status=status)


def _refused(
    request: AuthenticatedRequest, form: JoinForm, error: DomainError, *, status: int = 0
) -> HttpResponse:
    """The form as it was typed, with the reason at its field."""
    form.add_error("code", str(error.message))
    response = _form_page(request, form, status=status or error.status)
    if isinstance(error, TooManyRequestsError):
        response["Retry-After"] = str(error.retry_after_seconds)
    return response


def _class_page(
    request: AuthenticatedRequest, cohort: Cohort, *, refused: str = "", status: int = 200
) -> HttpResponse:
    entry = entry_of(request.user, cohort)
    context = {
        "cohort": cohort,
        "code": shown_code(cohort.join_code),
        "leaders": leader_names([cohort.pk]).get(cohort.pk, ()),
        "entry": entry,
        "is_reviewer": entry is not None and entry.role in Membership.REVIEWERS,
        "refused": refused or ("" if entry else refusal(cohort)),
    }
    return render(request, "accounts/join_class.html", context, status=status)


def _address(request: AuthenticatedRequest) -> str:
    return request.META.get("REMOTE_ADDR", "")
