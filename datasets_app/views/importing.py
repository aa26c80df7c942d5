"""The page of a file that is being checked, or that needs a decision before it can be a dataset."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import DomainError, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.forms.mapping import MappingForm
from datasets_app.intake.mapping import ColumnMapping
from datasets_app.intake.outcome import Outcome
from datasets_app.models import Dataset, DatasetImport
from datasets_app.selectors import get_import
from datasets_app.services.bringing import can_be_decided
from datasets_app.services.deciding import decide, discard
from datasets_app.views.messages_of import tell_saved
from datasets_app.wording.report import outcome_report
from datasets_app.wording.sentences import import_error_sentence

TEMPLATE = "datasets_app/dataset_import.html"
PARTIAL = "import-status"
STOP_POLLING = 286


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_import(request: AuthenticatedRequest, import_id: UUID) -> HttpResponse:
    """Shows how far the file is or what is wrong; takes the columns, or the choice to leave rows out."""
    order = _import_or_404(request, import_id)
    if request.method != "POST":
        return _page(request, order)
    mapping: ColumnMapping | None = ColumnMapping.from_dict(order.mapping)
    action = request.POST.get("action")
    if action == "map" and order.report:
        form = MappingForm(request.POST, outcome=Outcome.from_dict(order.report))
        if not form.is_valid():
            return _page(request, order, form=form, status=422)
        mapping = form.mapping()
    skips_rejected = action == "skip" or (action == "retry" and order.skips_rejected)
    try:
        made = decide(order, mapping=mapping, skips_rejected=skips_rejected)
    except DomainError as error:
        return _page(request, order, refusal=str(error.message), status=error.status)
    if isinstance(made, Dataset):
        tell_saved(request, made)
        return redirect("datasets:dataset_detail", made.pk)
    return redirect("datasets:dataset_import", order.pk)


@login_required
@require_safe
def import_status(request: AuthenticatedRequest, import_id: UUID) -> HttpResponse:
    """The part of the page that changes while the file is read."""
    order = _import_or_404(request, import_id)
    if order.state != DatasetImport.State.CHECKING:
        # The whole page changes: it is loaded anew.
        response = HttpResponse(status=STOP_POLLING)
        response["HX-Refresh"] = "true"
        return response
    return render(request, f"{TEMPLATE}#{PARTIAL}", {"order": order})


@login_required
@require_POST
def import_discard(request: AuthenticatedRequest, import_id: UUID) -> HttpResponse:
    order = _import_or_404(request, import_id)
    name = order.source_name or order.name
    discard(order)
    messages.success(request, _("“%(name)s” is discarded.") % {"name": name})
    return redirect("datasets:dataset_list")


def _page(
    request: AuthenticatedRequest,
    order: DatasetImport,
    *,
    form: MappingForm | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    if order.state == DatasetImport.State.DONE and order.result:
        return redirect("datasets:dataset_detail", order.result.pk)
    context: dict[str, Any] = {
        "order": order,
        "refusal": refusal,
        "error": import_error_sentence(order.error) if order.error else "",
    }
    if order.report:
        outcome = Outcome.from_dict(order.report)
        context |= {
            "outcome": outcome,
            "report": outcome_report(outcome),
            "can_decide": can_be_decided(outcome),
            "form": form or MappingForm(outcome=outcome),
            "rows": [
                [record.get(column, "") for column in outcome.columns] for record in outcome.samples
            ],
        }
    return render_partial(request, TEMPLATE, PARTIAL, context, status=status)


def _import_or_404(request: AuthenticatedRequest, import_id: UUID) -> DatasetImport:
    try:
        return get_import(request.user, import_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
