"""What a person thinks of a reply."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from chat.forms.faults import add_domain_error
from chat.forms.judging import NEW, NONE, CorrectionForm
from chat.models import Reply
from chat.naming import face_of
from chat.services.collecting import add_to_dataset, begin_dataset
from chat.services.judging import correct, rate
from chat.views.changing import refuse, room_address
from chat.views.owned import owned_reply
from common.errors import DomainError
from common.http import AuthenticatedRequest
from datasets_app.models import DatasetVersion

RATINGS = {"1": 1, "-1": -1, "0": None}


@login_required
@require_POST
def reply_rate(request: AuthenticatedRequest, reply_id: UUID) -> HttpResponse:
    reply = owned_reply(request.user, reply_id)
    try:
        rate(reply, RATINGS.get(request.POST.get("rating", ""), 0))
    except DomainError as error:
        return refuse(request, reply.message, error)
    if request.htmx:
        return render(request, "chat/rating.html", {"reply": reply})
    return redirect(room_address(reply.message))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def reply_correct(request: AuthenticatedRequest, reply_id: UUID) -> HttpResponse:
    reply = owned_reply(request.user, reply_id)
    form = CorrectionForm(request.user, reply, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _save(request, reply, form)
            return redirect(room_address(reply.message))
        except DomainError as error:
            add_domain_error(
                form,
                error,
                names={"dataset_id": "dataset", "dataset_type": "new_type", "name": "new_name"},
            )
    session = reply.message.session
    face = face_of(session, reply.answerer)
    context = {"reply": reply, "session": session, "form": form, "face": face}
    return render(request, "chat/reply_correct.html", context, status=422 if form.errors else 200)


def _save(request: AuthenticatedRequest, reply: Reply, form: CorrectionForm) -> None:
    correct(reply, form.cleaned_data["corrected_text"])
    version = _collect(request.user, reply, form)
    if version is None:
        notices.success(request, _("Your answer is kept with the reply."))
        return
    sentence = _("The answer was added to “%(name)s”, version %(number)d.") % {
        "name": version.dataset.name,
        "number": version.number,
    }
    address = f"/datasets/{version.dataset_id}/"
    notices.success(
        request, format_html('{} <a href="{}">{}</a>', sentence, address, _("Open the dataset"))
    )


def _collect(user: User, reply: Reply, form: CorrectionForm) -> DatasetVersion | None:
    match form.cleaned_data["dataset"]:
        case choice if choice == NONE:
            return None
        case choice if choice == NEW:
            return begin_dataset(
                user,
                reply,
                name=form.cleaned_data["new_name"],
                dataset_type=form.cleaned_data["new_type"] or "instruction",
            )
        case dataset_id:
            return add_to_dataset(user, reply, dataset_id)
