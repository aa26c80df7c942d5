"""The pages on which a person changes, adds and deletes examples one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from common.errors import ConflictError, DomainError, Fault, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.forms.rows import MAX_TURNS, ExampleForm, form_class_for, has_too_many_turns
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.preview.examples import EXAMPLES_PER_PAGE
from datasets_app.selectors import get_version, latest_version
from datasets_app.services import editing
from datasets_app.versions.stored_rows import records_at
from datasets_app.views.finding import editable_dataset_or_error

TEMPLATE = "datasets_app/example_edit.html"
PARTIAL = "example-form"


@dataclass(slots=True)
class Draft:
    """An example that a person is typing.

    Attributes:
        number: its place, from 1; None while it is new.
        base: number of the version that the person saw.
        old: the record as it is, or nothing.
    """

    dataset: Dataset
    newest: DatasetVersion
    number: int | None
    base: int
    old: dict[str, Any]
    form: ExampleForm
    status: int = 200
    refusal: str = ""
    advice: str = ""
    faults: list[Fault] = field(default_factory=list)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def example_edit(request: AuthenticatedRequest, dataset_id: UUID, number: int) -> HttpResponse:
    dataset = editable_dataset_or_error(request, dataset_id)
    if number == 0:
        raise Http404
    return _edit(request, dataset, number)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def example_add(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """`?shape=text` takes a completion without a prompt."""
    return _edit(request, editable_dataset_or_error(request, dataset_id), None)


@login_required
@require_POST
def example_delete(request: AuthenticatedRequest, dataset_id: UUID, number: int) -> HttpResponse:
    dataset = editable_dataset_or_error(request, dataset_id)
    try:
        version = editing.delete_row(request.user, dataset, number, _base(request))
    except DomainError as error:
        messages.error(request, str(error.message))
        return redirect("datasets:dataset_detail", dataset.pk)
    return _to_example(dataset, min(number, version.example_count), saved=version)


def _edit(request: AuthenticatedRequest, dataset: Dataset, number: int | None) -> HttpResponse:
    newest = latest_version(dataset)
    try:
        editing.check_editable_size(newest)
        if request.method == "POST":
            return _save(request, _sent_draft(request, dataset, newest, number))
        old = _record_or_404(newest, number) if number else {}
    except DomainError as error:
        messages.error(request, str(error.message))
        return redirect("datasets:dataset_detail", dataset.pk)
    if has_too_many_turns(old):
        sentence = _(
            "This example has more than %(limit)d turns, too many for this form. "
            "Download the dataset, change it in a program of yours and upload it as a new version."
        )
        messages.error(request, sentence % {"limit": MAX_TURNS})
        return redirect("datasets:dataset_detail", dataset.pk)
    shape = old or _new_shape(request, newest)
    form = form_class_for(dataset.type, shape).of_record(old)
    return _page(request, Draft(dataset, newest, number, newest.number, old, form))


def _sent_draft(
    request: AuthenticatedRequest, dataset: Dataset, newest: DatasetVersion, number: int | None
) -> Draft:
    base = _base(request)
    form = form_class_for(dataset.type, request.POST).of_request(request.POST)
    old = _record_at(dataset, base, number) if number else {}
    return Draft(dataset, newest, number, base, old or {}, form)


def _save(request: AuthenticatedRequest, draft: Draft) -> HttpResponse:
    if draft.form.reshape(request.POST):
        return _page(request, draft)
    if not draft.form.is_valid():
        draft.status = 422
        return _page(request, draft)
    try:
        editing.check_is_newest(draft.newest, draft.base)
        record = draft.form.record(draft.old)
        if record == draft.old:
            messages.info(request, _("Nothing was changed, so there is no new version."))
            return _to_example(draft.dataset, draft.number or 1)
        version = _new_version(request, draft, record)
    except ConflictError as error:
        _explain_conflict(draft, error)
    except DomainError as error:
        _explain_refusal(draft, error)
    else:
        return _to_example(draft.dataset, draft.number or version.example_count, saved=version)
    return _page(request, draft)


def _new_version(
    request: AuthenticatedRequest, draft: Draft, record: dict[str, Any]
) -> DatasetVersion:
    if draft.number is None:
        return editing.add_row(request.user, draft.dataset, record, draft.base)
    return editing.change_row(request.user, draft.dataset, draft.number, record, draft.base)


def _explain_refusal(draft: Draft, error: DomainError) -> None:
    """What is wrong with this example stands at its fields, the rest above them."""
    draft.status = error.status
    line = draft.number or draft.newest.example_count + 1
    own = [fault for fault in error.faults if fault.line == line]
    draft.form.add_faults(own)
    draft.faults = [fault for fault in error.faults if fault.line not in (line, None)]
    if not own:
        draft.refusal = str(error.message)


def _explain_conflict(draft: Draft, error: ConflictError) -> None:
    """Saving again is offered only where it can not overwrite what somebody else wrote."""
    draft.status = error.status
    draft.refusal = str(error.message)
    newest = latest_version(Dataset.objects.get(pk=draft.dataset.pk))
    number = draft.number
    is_same = number is None or (
        draft.old and draft.old == _record_at(draft.dataset, newest.number, number)
    )
    if is_same:
        draft.base = newest.number
        draft.refusal = _(
            "The dataset was changed elsewhere in the meantime, so nothing was saved yet."
        )
        draft.advice = _(
            "What you typed is still here. Save again to put it into version %(number)d."
        ) % {"number": newest.number}
    else:
        draft.refusal = _(
            "Example %(example)d was changed elsewhere in the meantime, so nothing was saved."
        ) % {"example": number}
        draft.advice = _(
            "What you typed is still here. Copy it, open the newest version and repeat your change there."
        )
    draft.newest = newest


def _page(request: AuthenticatedRequest, draft: Draft) -> HttpResponse:
    is_text = draft.dataset.type == Dataset.Type.COMPLETION and "text" in getattr(
        draft.form, "fields", {}
    )
    context = {
        "dataset": draft.dataset,
        "tab": "examples",
        "can_edit": True,
        "draft": draft,
        "form": draft.form,
        "is_text": is_text,
        "offers_shapes": draft.dataset.type == Dataset.Type.COMPLETION and draft.number is None,
        "cancel_url": _example_url(draft.dataset, draft.number or draft.newest.example_count),
    }
    # htmx swaps a refused form for 422 only.
    status = 422 if request.htmx and draft.status >= 400 else draft.status
    return render_partial(request, TEMPLATE, PARTIAL, context, status=status)


def _base(request: AuthenticatedRequest) -> int:
    """The version that the form was made from; 0, which is none, where it is not said."""
    text = request.POST.get("base", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _record_or_404(version: DatasetVersion, number: int) -> dict[str, Any]:
    record = records_at(version, {number - 1}).get(number - 1)
    if record is None:
        raise Http404
    return record


def _record_at(dataset: Dataset, version_number: int, number: int) -> dict[str, Any] | None:
    """The example of that number in a version that may be gone."""
    fresh = Dataset.objects.get(pk=dataset.pk)
    try:
        version = get_version(fresh, version_number)
    except NotFoundError:
        return None
    return records_at(version, {number - 1}).get(number - 1)


def _new_shape(request: AuthenticatedRequest, newest: DatasetVersion) -> dict[str, Any]:
    """What tells a completion with a prompt from plain text: the person's choice, else the first example."""
    shape = request.GET.get("shape")
    if shape in ("text", "prompt"):
        return {shape: ""}
    return records_at(newest, {0}).get(0, {})


def _to_example(
    dataset: Dataset, number: int, *, saved: DatasetVersion | None = None
) -> HttpResponseRedirect:
    return HttpResponseRedirect(_example_url(dataset, number, saved=saved))


def _example_url(dataset: Dataset, number: int, *, saved: DatasetVersion | None = None) -> str:
    """The page of examples on which this one stands."""
    address = reverse("datasets:dataset_detail", args=[dataset.pk])
    page = (number - 1) // EXAMPLES_PER_PAGE + 1
    note = f"&saved={saved.number}" if saved else ""
    return f"{address}?page={page}{note}#example-{number}"
