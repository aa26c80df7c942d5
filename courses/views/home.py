"""The first page, signed in or not."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.http import HtmxRequest
from common.partials import render_partial
from courses.selectors.home import home_of


@require_safe
def home(request: HtmxRequest) -> HttpResponse:
    """What to do next and how everything stands; for strangers, what this is."""
    if not request.user.is_authenticated:
        return render(request, "landing.html")
    return render_partial(request, "home.html", "home-jobs", {"home": home_of(request.user)})
