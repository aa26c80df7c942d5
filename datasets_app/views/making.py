"""The page on which a dataset is made."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from common.errors import DomainError, Fault, ForbiddenError, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from datasets_app.forms.bringing import DatasetForm, PasteForm, UploadForm
from datasets_app.forms.hub import HubForm
from datasets_app.hub import is_offline
from datasets_app.models import Dataset, DatasetImport, HubRepository
from datasets_app.samples import SAMPLES, sample_text
from datasets_app.selectors import get_editable_dataset
from datasets_app.services.bringing import bring_file, bring_text
from datasets_app.services.fetching import fetch_from_hub
from datasets_app.views.messages_of import tell_saved

NEW_TEMPLATE = "datasets_app/dataset_new.html"
FORM_PARTIAL = "dataset-form"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_new(request: AuthenticatedRequest) -> HttpResponse:
    """Make a dataset of a file; `?source=paste` takes text instead, `?source=hub` a dataset of the Hub.

    With `?target=` the file becomes the next version of that dataset.
    """
    target = _target_or_404(request)
    form = _form(request, is_version=target is not None)
    if request.method != "POST":
        return _new_page(request, form, target)
    if not form.is_valid():
        return _new_page(request, form, target, status=422)
    try:
        made = _create(request, form, target)
    except DomainError as error:
        faults = form.add_faults(error.faults)
        refusal = "" if form.errors and not faults else str(error.message)
        return _new_page(request, form, target, status=error.status, refusal=refusal, faults=faults)
    if isinstance(made, DatasetImport):
        return redirect("datasets:dataset_import", made.pk)
    tell_saved(request, made)
    return redirect("datasets:dataset_detail", made.pk)


def _target_or_404(request: AuthenticatedRequest) -> Dataset | None:
    wanted = request.GET.get("target")
    if not wanted:
        return None
    try:
        return get_editable_dataset(request.user, wanted)
    except (NotFoundError, ForbiddenError) as error:
        raise Http404(str(error.message)) from error


def _form(request: AuthenticatedRequest, *, is_version: bool) -> DatasetForm:
    source, is_post = request.GET.get("source"), request.method == "POST"
    if is_version or source not in ("hub", "paste"):
        data = (request.POST, request.FILES) if is_post else ()
        return UploadForm(*data, is_version=is_version)
    if source == "hub":
        return HubForm(request.POST if is_post else None)
    sample = sample_text(request.GET.get("sample", ""))
    return PasteForm(request.POST) if is_post else PasteForm(initial={"text": sample})


def _create(
    request: AuthenticatedRequest, form: DatasetForm, target: Dataset | None
) -> Dataset | DatasetImport:
    if isinstance(form, PasteForm):
        return bring_text(
            request.user,
            text=form.cleaned_data["text"],
            keeps_draft=True,
            asks_columns=form.cleaned_data["asks_columns"],
            **form.labels(),
        )
    if isinstance(form, HubForm):
        return fetch_from_hub(request.user, source=form.source_order(), **form.labels())
    return bring_file(
        request.user,
        file=form.cleaned_data["file"],
        target=target,
        keeps_draft=True,
        asks_columns=form.cleaned_data["asks_columns"],
        **form.labels(),
    )


def _new_page(
    request: AuthenticatedRequest,
    form: DatasetForm,
    target: Dataset | None,
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
        "target": target,
        "source": form.source,
        "is_hub_offline": is_offline(),
        "has_hub_repositories": HubRepository.objects.exists(),
        "samples": SAMPLES,
        "max_bytes": settings.MAX_TEXT_BYTES
        if form.source == "paste"
        else settings.MAX_UPLOAD_BYTES,
        "max_examples": settings.MAX_EXAMPLES,
        "refusal": refusal,
        "faults": listed,
    }
    # htmx swaps a refused form for 422 only; the page says the rest in words.
    shown_status = 422 if request.htmx and status >= 400 else status
    return render_partial(request, NEW_TEMPLATE, FORM_PARTIAL, context, status=shown_status)
