"""The page on which those who lead a cohort make a class dataset."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.idempotency import once
from accounts.models import Cohort
from common.errors import DomainError, Fault, ForbiddenError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.forms.class_rows import ClassDatasetForm
from datasets_app.models import Dataset
from datasets_app.selectors import get_dataset
from datasets_app.services.class_datasets import create_class_dataset

TEMPLATE = "datasets_app/class_dataset_new.html"
PARTIAL = "class-dataset-form"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def class_dataset_new(request: AuthenticatedRequest) -> HttpResponse:
    if not Cohort.objects.led_by(request.user).exists():
        raise PermissionDenied
    if request.method != "POST":
        return _page(request, ClassDatasetForm(leader=request.user))
    form = ClassDatasetForm(request.POST, leader=request.user)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        dataset = _create(request, form)
    except ForbiddenError as error:
        raise PermissionDenied(str(error.message)) from error
    except DomainError as error:
        faults = form.add_faults(error.faults)
        refusal = "" if form.errors and not faults else str(error.message)
        return _page(request, form, status=error.status, refusal=refusal, faults=faults)
    messages.success(
        request, _("“%(name)s” is saved. Your cohort can add rows now.") % {"name": dataset.name}
    )
    return redirect("datasets:class_rows", dataset.pk)


def _create(request: AuthenticatedRequest, form: ClassDatasetForm) -> Dataset:
    return once(
        request.user,
        scope="class_dataset",
        key=str(form.cleaned_data["key"]),
        create=lambda: create_class_dataset(
            request.user, form.cleaned_data["cohort"], rows=form.first_rows(), **form.labels()
        ),
        find=partial(get_dataset, request.user),
    )


def _page(
    request: AuthenticatedRequest,
    form: ClassDatasetForm,
    *,
    status: int = 200,
    refusal: str = "",
    faults: list[Fault] | None = None,
) -> HttpResponse:
    # A fault that only repeats the refusal is not listed again.
    listed = [
        fault for fault in faults or [] if fault.line is not None or str(fault.message) != refusal
    ]
    context = {"form": form, "refusal": refusal, "faults": listed}
    # htmx swaps a refused form for 422 only; the page says the rest in words.
    shown_status = 422 if request.htmx and status >= 400 else status
    return render_partial(request, TEMPLATE, PARTIAL, context, status=shown_status)
