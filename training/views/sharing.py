"""The owner of a job shares its adapter with a class, or takes that back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from common.errors import ConflictError, NotFoundError
from common.http import AuthenticatedRequest
from training.models import TrainingJob
from training.sharing.changing import set_share
from training.sharing.page import ClassChoice, class_choices, sharing_context
from training.views.finding import get_job_or_404

TICKED = "1"


@login_required
@require_safe
def job_sharing(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    """The choices by themselves: a job that is completed while its page is open leads here."""
    job = get_job_or_404(request, job_id)
    return render(request, "training/sharing_page.html", {"job": job} | sharing_context(job))


@login_required
@require_POST
def job_share(request: AuthenticatedRequest, job_id: UUID, cohort_id: UUID) -> HttpResponse:
    """Save both ticks of one class; the form answers with itself."""
    job = get_job_or_404(request, job_id)
    refusal = ""
    try:
        set_share(
            request.user,
            job,
            cohort_id,
            is_talkable=request.POST.get("is_talkable") == TICKED,
            is_in_arena=request.POST.get("is_in_arena") == TICKED,
        )
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    except ConflictError as error:
        refusal = str(error.message)
    if request.htmx:
        return _form(request, job, _choice(job, cohort_id), refusal)
    messages.add_message(
        request, messages.ERROR if refusal else messages.SUCCESS, refusal or _("Saved.")
    )
    return redirect(f"{reverse('training:job_detail', args=[job.pk])}#job-sharing")


def _choice(job: TrainingJob, cohort_id: UUID) -> ClassChoice:
    return next(choice for choice in class_choices(job) if choice.cohort_id == cohort_id)


def _form(
    request: AuthenticatedRequest, job: TrainingJob, choice: ClassChoice, refusal: str
) -> HttpResponse:
    context = {"job": job, "choice": choice, "is_saved": not refusal}
    response = render(request, "training/sharing_form.html", context)
    return trigger_client_event(response, "toast", {"value": refusal}) if refusal else response
