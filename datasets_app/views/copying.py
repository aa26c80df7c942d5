"""New datasets made of one that is there: a copy of one's own, or two parts."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from common.errors import DomainError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.forms.splitting import SplitForm
from datasets_app.models import Dataset
from datasets_app.selectors import can_edit, latest_version
from datasets_app.services.forking import fork_dataset
from datasets_app.services.splitting import split_dataset
from datasets_app.views.finding import dataset_or_404

SPLIT_TEMPLATE = "datasets_app/dataset_split.html"
SPLIT_PARTIAL = "split-form"


@login_required
@require_POST
def dataset_fork(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    dataset = dataset_or_404(request, dataset_id)
    try:
        copy = fork_dataset(request.user, dataset)
    except DomainError as error:
        messages.error(request, str(error.message))
        return redirect("datasets:dataset_detail", dataset.pk)
    messages.success(
        request,
        _("“%(name)s” is yours now. Changes in it do not touch the dataset it was copied from.")
        % {"name": copy.name},
    )
    return redirect("datasets:dataset_detail", copy.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_split(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    dataset = dataset_or_404(request, dataset_id)
    version = latest_version(dataset)
    if request.method != "POST":
        return _split_page(request, dataset, SplitForm(version))
    form = SplitForm(version, request.POST)
    if not form.is_valid():
        return _split_page(request, dataset, form, status=422)
    try:
        training, evaluation = split_dataset(request.user, dataset, **form.arguments())
    except DomainError as error:
        form.add_faults(error.faults)
        refusal = "" if form.errors else str(error.message)
        return _split_page(request, dataset, form, status=error.status, refusal=refusal)
    sentence = _("“%(training)s” has %(rest)d examples and “%(evaluation)s” has %(count)d.")
    messages.success(
        request,
        sentence
        % {
            "training": training.name,
            "rest": latest_version(training).example_count,
            "evaluation": evaluation.name,
            "count": latest_version(evaluation).example_count,
        },
    )
    return redirect("datasets:dataset_detail", training.pk)


def _split_page(
    request: AuthenticatedRequest,
    dataset: Dataset,
    form: SplitForm,
    *,
    status: int = 200,
    refusal: str = "",
) -> HttpResponse:
    context = {
        "dataset": dataset,
        "tab": "split",
        "can_edit": can_edit(request.user, dataset),
        "version": latest_version(dataset),
        "form": form,
        "refusal": refusal,
    }
    # htmx swaps a refused form for 422 only.
    shown_status = 422 if request.htmx and status >= 400 else status
    return render_partial(request, SPLIT_TEMPLATE, SPLIT_PARTIAL, context, status=shown_status)
