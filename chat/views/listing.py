"""The list of chats, and a new one."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from chat.forms.faults import add_domain_error
from chat.forms.new_session import ComparisonForm, NewSessionForm
from chat.searching import clean_search, search_sessions
from chat.selectors import sessions_visible_to
from chat.services.opening import create_session
from common.errors import DomainError
from common.http import AuthenticatedRequest

SESSIONS_PER_PAGE = 20


@login_required
@require_GET
def session_list(request: AuthenticatedRequest) -> HttpResponse:
    search = clean_search(request.GET.get("q", ""))
    sessions = search_sessions(sessions_visible_to(request.user), search)
    page = Paginator(sessions, SESSIONS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "chat/session_list.html", {"page": page, "search": search})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def session_new(request: AuthenticatedRequest) -> HttpResponse:
    job_id = _uuid_text(request.GET.get("job", ""))
    is_comparison = "compare" in request.GET
    form_class = ComparisonForm if is_comparison else NewSessionForm
    form = form_class(
        request.user,
        request.POST or None,
        preselected_job=job_id,
        preselected_base_model=request.GET.get("model", ""),
    )
    if request.method == "POST" and form.is_valid():
        try:
            session = create_session(request.user, **form.session_arguments())
            return redirect("chat:session_detail", session.pk)
        except DomainError as error:
            add_domain_error(form, error, names={"message": "system_prompt"})
    context = {"form": form, "is_comparison": is_comparison, **_ways(job_id, request.GET)}
    return render(request, "chat/session_new.html", context, status=422 if form.errors else 200)


def _ways(job_id: str, data: QueryDict) -> dict[str, str]:
    """The addresses of both ways to begin; each keeps the model that is wanted."""
    wanted = QueryDict(mutable=True)
    if job_id:
        wanted["job"] = job_id
    if base_model := data.get("model", ""):
        wanted["model"] = base_model
    address, query = reverse("chat:session_new"), wanted.urlencode()
    return {
        "one_url": f"{address}?{query}" if query else address,
        "compare_url": f"{address}?compare=1&{query}" if query else f"{address}?compare=1",
    }


def _uuid_text(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
