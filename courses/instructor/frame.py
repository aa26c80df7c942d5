"""What every page of a class has: who may open it, which class it is about, its frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from accounts.models import Cohort
from common.http import AuthenticatedRequest
from common.partials import render_partial
from courses.instructor.tabs import TABS
from courses.selectors.helping import waiting_count

PROJECTED = "projected"


@dataclass(frozen=True, slots=True)
class Classroom:
    """A class as one of its leaders or observers sees it.

    Attributes:
        can_lead: whether the reader may change something; an observer only looks.
        is_projected: whether others see the screen, so that names are made up (courses.selectors.names).
    """

    cohort: Cohort
    can_lead: bool
    is_projected: bool

    def address(self, key: str, *args: Any) -> str:
        """Of another page of the same class, projected if this one is."""
        address = reverse(f"classroom:{key}", args=[self.cohort.pk, *args])
        return f"{address}?{PROJECTED}=1" if self.is_projected else address


View = Callable[..., HttpResponseBase]
ClassroomView = Callable[Concatenate[AuthenticatedRequest, Classroom, ...], HttpResponseBase]


def for_reviewers(view: ClassroomView) -> View:
    """Give a view its Classroom in place of the class's id; of others' classes it says that there is none."""

    @never_cache
    @login_required
    @wraps(view)
    def wrapped(request: AuthenticatedRequest, cohort_id: UUID, **kwargs: Any) -> HttpResponseBase:
        return view(request, _classroom(request, cohort_id), **kwargs)

    return wrapped


def for_leaders(view: ClassroomView) -> View:
    """As for_reviewers, but an observer is refused."""

    @for_reviewers
    @wraps(view)
    def wrapped(
        request: AuthenticatedRequest, classroom: Classroom, **kwargs: Any
    ) -> HttpResponseBase:
        if not classroom.can_lead:
            raise PermissionDenied(_("You may look at this class, but not change it."))
        return view(request, classroom, **kwargs)

    return wrapped


def render_page(
    request: AuthenticatedRequest,
    classroom: Classroom,
    tab: str,
    context: dict[str, Any],
    *,
    template: str = "",
    partial: str = "classroom-page",
    status: int = 200,
) -> HttpResponse:
    """A page of a class in its frame, or the partial of it that htmx asked for.

    Args:
        template: below courses/instructor/, without .html; the tab's key when it is empty.
    """
    tabs = [
        {
            "title": item.title,
            "address": classroom.address(item.key),
            "is_current": item.key == tab,
            "has_count": item.has_count,
        }
        for item in TABS
    ]
    frame = {
        "classroom": classroom,
        "cohort": classroom.cohort,
        "can_lead": classroom.can_lead,
        "is_projected": classroom.is_projected,
        "tab": tab,
        "tabs": tabs,
        "needs_count": waiting_count(classroom.cohort),
    }
    name = f"courses/instructor/{template or tab}.html"
    return render_partial(request, name, partial, frame | context, status=status)


def _classroom(request: HttpRequest, cohort_id: UUID) -> Classroom:
    cohort = Cohort.objects.reviewed_by(request.user).filter(pk=cohort_id).first()
    if cohort is None:
        raise Http404(_("There is no class with this id that you lead."))
    can_lead = Cohort.objects.led_by(request.user).filter(pk=cohort_id).exists()
    return Classroom(cohort, can_lead, request.GET.get(PROJECTED) == "1")
