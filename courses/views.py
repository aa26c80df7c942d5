"""The first page, signed in or not, and the way from the starter data to a first job."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from common.http import AuthenticatedRequest, HtmxRequest
from common.partials import render_partial
from courses.selectors import home_of
from courses.starter import starter_records
from datasets_app.services.creating import create_dataset


@require_safe
def home(request: HtmxRequest) -> HttpResponse:
    """What to do next and how everything stands; for strangers, what this is."""
    if not request.user.is_authenticated:
        return render(request, "landing.html")
    return render_partial(request, "home.html", "home-jobs", {"home": home_of(request.user)})


@login_required
@require_POST
def use_starter_dataset(request: AuthenticatedRequest) -> HttpResponse:
    """Copy the starter data into the person's datasets and open the form for a job with it."""
    dataset = create_dataset(
        request.user,
        name=_("Starter: five facts about Japan"),
        description=_(
            "Five questions with answers in unusual words, so that you see at once what the model learned."
        ),
        records=starter_records(),
    )
    return redirect(f"{reverse('training:job_new')}?{urlencode({'dataset': str(dataset.pk)})}")
