"""The page on which a dataset is made."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from common.errors import DomainError, Fault
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.forms import DatasetForm, PasteForm, UploadForm
from datasets_app.models import Dataset
from datasets_app.samples import SAMPLES, sample_text
from datasets_app.selectors import latest_version
from datasets_app.services import creating

NEW_TEMPLATE = "datasets_app/dataset_new.html"
FORM_PARTIAL = "dataset-form"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_new(request: AuthenticatedRequest) -> HttpResponse:
    """Make a dataset; `?source=paste` takes text instead of a file."""
    is_paste = request.GET.get("source") == "paste"
    if request.method != "POST":
        sample = request.GET.get("sample", "")
        form = PasteForm(initial={"text": sample_text(sample)}) if is_paste else UploadForm()
        return _new_page(request, form)
    form = PasteForm(request.POST) if is_paste else UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _new_page(request, form, status=422)
    try:
        dataset = _create(request, form)
    except DomainError as error:
        faults = form.add_faults(error.faults)
        refusal = "" if form.errors and not faults else str(error.message)
        return _new_page(request, form, status=error.status, refusal=refusal, faults=faults)
    count = latest_version(dataset).example_count
    sentence = ngettext(
        "“%(name)s” is saved with %(count)d example.",
        "“%(name)s” is saved with %(count)d examples.",
        count,
    )
    messages.success(request, sentence % {"name": dataset.name, "count": count})
    return redirect("datasets:dataset_detail", dataset.pk)


def _create(request: AuthenticatedRequest, form: DatasetForm) -> Dataset:
    if isinstance(form, PasteForm):
        return creating.create_dataset_from_text(
            request.user, text=form.cleaned_data["text"], **form.labels()
        )
    return creating.create_dataset_from_upload(
        request.user, file=form.cleaned_data["file"], **form.labels()
    )


def _new_page(
    request: AuthenticatedRequest,
    form: DatasetForm,
    *,
    status: int = 200,
    refusal: str = "",
    faults: list[Fault] | None = None,
) -> HttpResponse:
    # A fault that only repeats the refusal is not listed again.
    listed = [
        fault for fault in faults or [] if fault.line is not None or str(fault.message) != refusal
    ]
    context = {
        "form": form,
        "is_paste": isinstance(form, PasteForm),
        "samples": SAMPLES,
        "max_bytes": settings.MAX_UPLOAD_BYTES,
        "max_examples": settings.MAX_EXAMPLES,
        "refusal": refusal,
        "faults": listed,
    }
    # htmx swaps a refused form for 422 only; the page says the rest in words.
    shown_status = 422 if request.htmx and status >= 400 else status
    return render_partial(request, NEW_TEMPLATE, FORM_PARTIAL, context, status=shown_status)
