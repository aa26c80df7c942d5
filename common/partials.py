"""Render a page, or only the partial that htmx asked for."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from common.http import HtmxRequest


def render_partial(
    request: HtmxRequest, template: str, partial: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """The named partial of a page when htmx targets the element of that id, else the whole page."""
    wants_partial = request.htmx and request.htmx.target == partial
    name = f"{template}#{partial}" if wants_partial else template
    return render(request, name, context, status=status)
