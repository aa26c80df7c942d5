"""Pages on which a person makes, reads and deletes datasets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from common.errors import ConflictError, DomainError, Fault, NotFoundError, UnavailableError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app import services
from datasets_app.forms import DatasetForm, PasteForm, UploadForm
from datasets_app.models import Dataset
from datasets_app.preview import preview_page
from datasets_app.samples import SAMPLES, sample_text
from datasets_app.selectors import datasets_visible_to, get_dataset, latest_version
from datasets_app.sentences import ENCODING_NAMES, FORMAT_NAMES, issue_sentence

DATASETS_PER_PAGE = 24
NEW_TEMPLATE = "datasets_app/dataset_new.html"
FORM_PARTIAL = "dataset-form"


@login_required
@require_safe
def dataset_list(request: AuthenticatedRequest) -> HttpResponse:
    page = Paginator(datasets_visible_to(request.user), DATASETS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    return render(request, "datasets_app/dataset_list.html", {"page": page})


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
        return services.create_dataset_from_text(
            request.user, text=form.cleaned_data["text"], **form.labels()
        )
    return services.create_dataset_from_upload(
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


@login_required
@require_safe
def dataset_detail(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    dataset = _dataset_or_404(request, dataset_id)
    version = latest_version(dataset)
    context: dict[str, Any] = {
        "dataset": dataset,
        "version": version,
        "format_name": FORMAT_NAMES.get(version.source_format, version.source_format),
        "encoding_name": ENCODING_NAMES.get(version.source_encoding, version.source_encoding),
        "issues": [issue | {"message": issue_sentence(issue)} for issue in version.issues],
        "is_estimate": version.token_stats.get("counted", 0) < version.example_count,
    }
    try:
        context["page"] = preview_page(version, request.GET.get("page"))
    except UnavailableError as error:
        context["missing"] = str(error.message)
    return render(request, "datasets_app/dataset_detail.html", context)


@login_required
@require_safe
def dataset_download(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    """The stored JSON lines, always as a download: a browser must never show what a person wrote as a page."""
    dataset = _dataset_or_404(request, dataset_id)
    try:
        with default_storage.open(latest_version(dataset).file, "rb") as stream:
            content = stream.read()
    except FileNotFoundError as error:
        raise Http404 from error
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, f"{dataset.name}.jsonl")
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_delete(request: AuthenticatedRequest, dataset_id: UUID) -> HttpResponse:
    dataset = _dataset_or_404(request, dataset_id)
    if request.method != "POST":
        return render(request, "datasets_app/dataset_delete.html", {"dataset": dataset})
    try:
        services.delete_dataset(dataset)
    except ConflictError as error:
        messages.error(request, str(error.message))
        return redirect("datasets:dataset_detail", dataset_id)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": dataset.name})
    return redirect("datasets:dataset_list")


def _dataset_or_404(request: AuthenticatedRequest, dataset_id: UUID) -> Dataset:
    try:
        return get_dataset(request.user, dataset_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
