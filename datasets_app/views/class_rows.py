"""The page on which members add rows to a class dataset, and leaders review them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from common.errors import DomainError, Fault, ForbiddenError, InvalidInputError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.forms.class_rows import RowForm
from datasets_app.models import Dataset
from datasets_app.quotas import cohort_space
from datasets_app.selectors import can_edit
from datasets_app.services.class_rows import (
    MAX_WAITING_ROWS,
    accept_rows,
    add_row,
    reject_rows,
    reopen_row,
    save_accepted_rows,
    withdraw_row,
)
from datasets_app.sharing.contributions import (
    own_rows,
    row_after,
    shown_unsaved_rows,
    unsaved_rows,
    waiting_page,
)
from datasets_app.sharing.row_rights import RowRights, row_rights
from datasets_app.views.finding import dataset_or_404

TEMPLATE = "datasets_app/class_rows.html"
PARTIAL = "class-rows"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def class_rows(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """The rows of a class dataset; POST adds one."""
    dataset = _class_dataset_or_404(request, dataset_id)
    if request.method != "POST":
        return _page(request, dataset)
    form = RowForm(request.POST, dataset_type=dataset.type)
    if not form.is_valid():
        return _page(request, dataset, form=form, status=422)
    try:
        add_row(request.user, dataset, **form.texts())
    except InvalidInputError as error:
        form.add_faults(error.faults or [Fault(error.message)])
        return _page(request, dataset, form=form, status=422)
    except DomainError as error:
        return _refused(request, dataset, error, form=form)
    return _done(request, dataset, _("Your row is saved and waits for its review."), focus="add")


@login_required
@require_POST
def class_row_withdraw(
    request: AuthenticatedRequest, dataset_id: UUID, row_id: UUID
) -> HttpResponse:
    dataset = _class_dataset_or_404(request, dataset_id)
    if withdraw_row(request.user, dataset, row_id):
        sentence = _("Your row is withdrawn.")
    else:
        sentence = _("This row does not wait any more, so nothing was changed.")
    return _done(request, dataset, sentence, focus="own")


@login_required
@require_POST
def class_rows_review(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """Accept, reject or put back the rows that were chosen; `action` says which."""
    dataset = _class_dataset_or_404(request, dataset_id)
    act = _ACTIONS.get(request.POST.get("action", ""))
    chosen = _chosen_rows(request)
    if act is None:
        raise Http404
    try:
        if not chosen:
            raise InvalidInputError(_("No row is chosen. Tick at least one."))
        sentence = act(request, dataset, chosen)
    except DomainError as error:
        return _refused(
            request,
            dataset,
            error,
            context={"chosen": set(chosen), "reason": request.POST.get("reason", "")},
        )
    return _done(request, dataset, sentence, focus=row_after(dataset, chosen))


@login_required
@require_POST
def class_rows_save(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """Make a version of the accepted rows."""
    dataset = _class_dataset_or_404(request, dataset_id)
    try:
        version = save_accepted_rows(request.user, dataset)
    except DomainError as error:
        return _refused(request, dataset, error)
    if version is None:
        sentence = _("There is nothing to add: the dataset holds all accepted rows already.")
        return _done(request, dataset, sentence, focus="accepted")
    count = version.change["count"]
    sentence = ngettext(
        "Version %(number)d is saved. It has %(count)d more example.",
        "Version %(number)d is saved. It has %(count)d more examples.",
        count,
    )
    sentence %= {"number": version.number, "count": count}
    return _done(request, dataset, sentence, focus="accepted")


def _accept(request: AuthenticatedRequest, dataset: Dataset, chosen: list[UUID]) -> str:
    count = accept_rows(request.user, dataset, chosen)
    sentence = ngettext("%(count)d row is accepted.", "%(count)d rows are accepted.", count)
    return _decided_sentence(sentence, count, len(chosen))


def _reject(request: AuthenticatedRequest, dataset: Dataset, chosen: list[UUID]) -> str:
    count = reject_rows(request.user, dataset, chosen, reason=request.POST.get("reason", ""))
    sentence = ngettext("%(count)d row is rejected.", "%(count)d rows are rejected.", count)
    return _decided_sentence(sentence, count, len(chosen))


def _reopen(request: AuthenticatedRequest, dataset: Dataset, chosen: list[UUID]) -> str:
    if reopen_row(request.user, dataset, chosen[0]):
        return _("The row waits for its review again.")
    return _("This row is in a version already, so nothing was changed.")


_ACTIONS: dict[str, Callable[[AuthenticatedRequest, Dataset, list[UUID]], str]] = {
    "accept": _accept,
    "reject": _reject,
    "reopen": _reopen,
}


def _decided_sentence(sentence: str, count: int, chosen_count: int) -> str:
    late = chosen_count - count
    shown = sentence % {"count": count}
    if not late:
        return shown
    rest = ngettext(
        "%(count)d was decided or withdrawn before.",
        "%(count)d were decided or withdrawn before.",
        late,
    ) % {"count": late}
    return f"{shown} {rest}"


def _chosen_rows(request: AuthenticatedRequest) -> list[UUID]:
    """The rows that a form names, each once; what is no id names none."""
    chosen = []
    for value in dict.fromkeys(request.POST.getlist("row")):
        try:
            chosen.append(UUID(value))
        except ValueError:
            continue
    return chosen


def _class_dataset_or_404(request: AuthenticatedRequest, dataset_id: UUID) -> Dataset:
    dataset = dataset_or_404(request, dataset_id)
    if not dataset.collects_rows:
        raise Http404
    return dataset


def _done(
    request: AuthenticatedRequest,
    dataset: Dataset,
    sentence: str,
    *,
    focus: UUID | str | None = None,
) -> HttpResponse:
    """The rows as they are now.

    Args:
        focus: where a person who works by keyboard goes on, when the button that they pressed is gone.
    """
    if request.htmx:
        page = _page(request, dataset, context={"focus": focus or "waiting"})
        return trigger_client_event(page, "toast", {"value": sentence})
    messages.success(request, sentence)
    address = reverse("datasets:class_rows", args=[dataset.pk])
    number = request.GET.get("page")
    return redirect(f"{address}?{urlencode({'page': number})}" if number else address)


def _refused(
    request: AuthenticatedRequest,
    dataset: Dataset,
    error: DomainError,
    *,
    form: RowForm | None = None,
    context: dict[str, Any] | None = None,
) -> HttpResponse:
    if isinstance(error, ForbiddenError):
        raise PermissionDenied(str(error.message)) from error
    shown = {"refusal": str(error.message)} | (context or {})
    return _page(request, dataset, form=form, status=error.status, context=shown)


def _page(
    request: AuthenticatedRequest,
    dataset: Dataset,
    *,
    form: RowForm | None = None,
    status: int = 200,
    context: dict[str, Any] | None = None,
) -> HttpResponse:
    rights = row_rights(request.user, dataset)
    shown = {
        "dataset": dataset,
        "tab": "rows",
        "can_edit": can_edit(request.user, dataset),
        "rights": rights,
        "max_waiting": MAX_WAITING_ROWS,
        **_rows_context(request, dataset, rights, form),
        **(context or {}),
    }
    # htmx swaps a refused form for 422 only; the page says the rest in words.
    shown_status = 422 if request.htmx and status >= 400 else status
    return render_partial(request, TEMPLATE, PARTIAL, shown, status=shown_status)


def _rows_context(
    request: AuthenticatedRequest, dataset: Dataset, rights: RowRights, form: RowForm | None
) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if rights.may_add:
        context["form"] = form or RowForm(dataset_type=dataset.type)
        context["own"] = own_rows(request.user, dataset)
    if rights.may_watch:
        context["page"] = waiting_page(dataset, request.GET.get("page"))
    if rights.may_review:
        context["unsaved"] = shown_unsaved_rows(dataset)
        context["unsaved_count"] = unsaved_rows(dataset).count()
        if dataset.cohort is not None:
            context["space"] = cohort_space(dataset.cohort)
    return context
