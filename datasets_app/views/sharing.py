"""The page on which an owner shares a dataset, and others read what they may do with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from common.errors import DomainError, ForbiddenError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.forms.sharing import SharingForm
from datasets_app.models import Dataset
from datasets_app.quotas import cohort_space
from datasets_app.selectors import can_edit
from datasets_app.services.sharing import share_dataset
from datasets_app.sharing.audience import ONLY_OWNER, Audience, audience_choices, audience_of
from datasets_app.views.finding import dataset_or_404

TEMPLATE = "datasets_app/dataset_sharing.html"
FORM_PARTIAL = "sharing-form"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_sharing(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    dataset = dataset_or_404(request, dataset_id)
    is_owner = dataset.owner_id == request.user.pk
    if request.method != "POST":
        return _page(request, dataset, _form(request, dataset) if is_owner else None)
    if not is_owner:
        raise PermissionDenied
    form = _form(request, dataset)
    if not form.is_valid():
        return _page(request, dataset, form, status=422)
    audience = form.cleaned_data["audience"]
    try:
        is_changed = share_dataset(request.user, dataset, audience)
    except ForbiddenError as error:
        # The choice was theirs when the page was shown; they are told what has changed.
        return _page(request, dataset, form, status=403, refusal=str(error.message))
    except DomainError as error:
        return _page(request, dataset, form, status=error.status, refusal=str(error.message))
    if is_changed:
        messages.success(request, _changed_sentence(dataset, audience))
    return redirect("datasets:dataset_sharing", dataset.pk)


def _form(request: AuthenticatedRequest, dataset: Dataset) -> SharingForm:
    data = request.POST if request.method == "POST" else None
    return SharingForm(data, dataset=dataset, choices=audience_choices(request.user, dataset))


def _changed_sentence(dataset: Dataset, audience: Audience) -> str:
    if audience == ONLY_OWNER:
        return _(
            "“%(name)s” is not shared any more. Jobs that already use one of its versions keep it."
        ) % {"name": dataset.name}
    return _("“%(name)s” is shared now: %(audience)s.") % {
        "name": dataset.name,
        "audience": audience.title,
    }


def _page(
    request: AuthenticatedRequest,
    dataset: Dataset,
    form: SharingForm | None,
    *,
    status: int = 200,
    refusal: str = "",
) -> HttpResponse:
    audience = audience_of(dataset)
    context: dict[str, Any] = {
        "dataset": dataset,
        "tab": "sharing",
        "can_edit": can_edit(request.user, dataset),
        "form": form,
        "audience": audience,
        "is_shared": audience != ONLY_OWNER,
        "refusal": refusal,
    }
    if form is not None and audience.cohort is not None:
        context["cohort_space"] = cohort_space(audience.cohort)
    # htmx swaps a refused form for 422 only; the page says the rest in words.
    shown_status = 422 if request.htmx and status >= 400 else status
    return render_partial(request, TEMPLATE, FORM_PARTIAL, context, status=shown_status)
