"""Sets of questions: their list, a new one, one with its questions, and what is changed in it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.forms.faults import add_domain_error
from chat.forms.prompt_sets import WAYS, ItemForm, NameForm, SetForm, form_of
from chat.models import PromptSet
from chat.prompt_sets.finding import get_set, runs_of, sets_of
from chat.prompt_sets.sources import course_questions, get_course_questions
from chat.services.prompt_sets import (
    add_item,
    change_item,
    create_set,
    delete_set,
    duplicate_set,
    remove_item,
    rename_set,
)
from common.errors import DomainError, Fault, NotFoundError
from common.http import AuthenticatedRequest

SETS_PER_PAGE = 20
SHOWN_RUNS = 20


@login_required
@require_GET
def prompt_set_list(request: AuthenticatedRequest) -> HttpResponse:
    page = Paginator(sets_of(request.user), SETS_PER_PAGE).get_page(request.GET.get("page"))
    runs = Paginator(runs_of(request.user), SHOWN_RUNS).get_page(request.GET.get("runs"))
    context = {"page": page, "runs": runs, "courses": course_questions(get_language() or "en")}
    return render(request, "chat/prompt_set_list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def prompt_set_new(request: AuthenticatedRequest) -> HttpResponse:
    way = request.GET.get("way", "")
    way = way if way in WAYS else WAYS[0]
    if request.method != "POST":
        return _new_page(request, way, form_of(way, request.user))
    form = form_of(way, request.user, request.POST, request.FILES)
    faults: list[Fault] = []
    if form.is_valid():
        try:
            prompt_set = create_set(
                request.user, name=form.cleaned_data["name"], items=form.items(request.user)
            )
            return redirect("chat:prompt_set", prompt_set.pk)
        except DomainError as error:
            if any(fault.line for fault in error.faults):
                form.add_error(None, str(error.message))
                faults = error.faults
            else:
                names = {"items": "text", "prompt": "text", "reference": "text"}
                add_domain_error(form, error, names=names)
    return _new_page(request, way, form, faults=faults, status=422)


@login_required
@require_POST
def course_copy(request: AuthenticatedRequest) -> HttpResponse:
    """A course's questions as a set of the person's own, to be changed."""
    try:
        questions = get_course_questions(request.POST.get("course", ""), get_language() or "en")
        prompt_set = create_set(request.user, name=questions.title, items=list(questions.items))
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    except DomainError as error:
        notices.error(request, str(error.message))
        return redirect("chat:prompt_set_list")
    return redirect("chat:prompt_set", prompt_set.pk)


@login_required
@require_GET
def prompt_set(request: AuthenticatedRequest, set_id: UUID) -> HttpResponse:
    found = owned_set(request, set_id)
    return _set_page(request, found, edited=_number(request.GET.get("edit", "")))


@login_required
@require_POST
def prompt_set_rename(request: AuthenticatedRequest, set_id: UUID) -> HttpResponse:
    found = owned_set(request, set_id)
    form = NameForm(request.POST)
    if form.is_valid():
        try:
            rename_set(found, form.cleaned_data["name"])
            return redirect("chat:prompt_set", found.pk)
        except DomainError as error:
            add_domain_error(form, error, names={})
    return _set_page(request, found, name_form=form, status=422)


@login_required
@require_POST
def prompt_item_add(request: AuthenticatedRequest, set_id: UUID) -> HttpResponse:
    found = owned_set(request, set_id)
    form = ItemForm(request.POST, auto_id="new_%s")
    if form.is_valid():
        try:
            changed = add_item(found, form.values(), form.cleaned_data["seen"])
            return _back_to(found, f"item-{len(changed.items)}")
        except DomainError as error:
            _add_item_error(form, error)
    return _set_page(request, found, new_form=form, status=422)


@login_required
@require_POST
def prompt_item_change(request: AuthenticatedRequest, set_id: UUID, number: int) -> HttpResponse:
    found = owned_set(request, set_id)
    form = ItemForm(request.POST, auto_id=f"item_{number}_%s")
    if form.is_valid():
        try:
            change_item(found, number, form.values(), form.cleaned_data["seen"])
            return _back_to(found, f"item-{number}")
        except NotFoundError as error:
            raise Http404(str(error.message)) from error
        except DomainError as error:
            _add_item_error(form, error)
    return _set_page(request, found, edited=number, item_form=form, status=422)


@login_required
@require_POST
def prompt_item_remove(request: AuthenticatedRequest, set_id: UUID, number: int) -> HttpResponse:
    found = owned_set(request, set_id)
    try:
        remove_item(found, number, request.POST.get("seen", ""))
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    except DomainError as error:
        notices.error(request, str(error.message))
    return _back_to(found, "items")


@login_required
@require_POST
def prompt_set_duplicate(request: AuthenticatedRequest, set_id: UUID) -> HttpResponse:
    found = owned_set(request, set_id)
    try:
        copy = duplicate_set(found)
    except DomainError as error:
        notices.error(request, str(error.message))
        return redirect("chat:prompt_set", found.pk)
    notices.success(request, _("This is the copy. The original stays as it is."))
    return redirect("chat:prompt_set", copy.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def prompt_set_delete(request: AuthenticatedRequest, set_id: UUID) -> HttpResponse:
    found = owned_set(request, set_id)
    if request.method != "POST":
        return render(request, "chat/prompt_set_delete.html", {"prompt_set": found})
    delete_set(found)
    notices.success(request, _("The prompt set “%(name)s” is deleted.") % {"name": found.name})
    return redirect("chat:prompt_set_list")


def owned_set(request: AuthenticatedRequest, set_id: UUID) -> PromptSet:
    try:
        return get_set(request.user, set_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def _new_page(
    request: AuthenticatedRequest,
    way: str,
    form: SetForm,
    *,
    faults: list[Fault] | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {"way": way, "form": form, "faults": faults or []}
    return render(request, "chat/prompt_set_new.html", context, status=status)


def _set_page(
    request: AuthenticatedRequest,
    found: PromptSet,
    *,
    edited: int = 0,
    name_form: NameForm | None = None,
    new_form: ItemForm | None = None,
    item_form: ItemForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The set with its questions, of which one may be open for a change."""
    seen = {"seen": found.digest}
    if 1 <= edited <= len(found.items) and item_form is None:
        initial = seen | found.items[edited - 1]
        item_form = ItemForm(initial=initial, auto_id=f"item_{edited}_%s")
    answered = sum(bool(item["reference"]) for item in found.items)
    count = ngettext("%(count)d question", "%(count)d questions", len(found.items))
    context: dict[str, Any] = {
        "prompt_set": found,
        "edited": edited,
        "name_form": name_form or NameForm(initial={"name": found.name}, auto_id="set_%s"),
        "new_form": new_form or ItemForm(initial=seen, auto_id="new_%s"),
        "item_form": item_form,
        "count_words": count % {"count": len(found.items)},
        "answered_count": answered,
    }
    return render(request, "chat/prompt_set_detail.html", context, status=status)


def _add_item_error(form: ItemForm, error: DomainError) -> None:
    add_domain_error(form, error, names={"items": "prompt"})


def _back_to(found: PromptSet, place: str) -> HttpResponse:
    return redirect(f"{reverse('chat:prompt_set', args=[found.pk])}#{place}")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else 0
