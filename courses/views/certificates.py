"""Certificates: asking for one, and looking one up without signing in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import ConflictError, ForbiddenError, NotFoundError
from common.http import AuthenticatedRequest
from courses.certificates.pdf import UnsetNameError, certificate_pdf
from courses.forms.certificates import CertificateForm, RevokeForm
from courses.models import Certificate, Enrolment
from courses.selectors.certificates import (
    certificate_json,
    get_certificate,
    may_revoke,
    shown_certificate,
)
from courses.selectors.content import content_of
from courses.selectors.pinned import reading_language
from courses.selectors.progress import get_enrolment
from courses.services.certifying import issue, revoke
from courses.wording.certificates import figure_phrases, kind_title, steps_sentence

PDF_CACHE_SECONDS = 3600
UNSET = b"-"
"""Stands in the cache for a name that the font has not all letters of."""

View = Callable[..., HttpResponse]


def public(
    view: Callable[Concatenate[Any, Certificate, ...], HttpResponse],
) -> View:
    """Give a view its certificate; what it answers is for people who were given the address, not for search engines."""

    @never_cache
    @wraps(view)
    def wrapped(request: HttpRequest, certificate_id: UUID, **kwargs: Any) -> HttpResponse:
        try:
            response = view(request, get_certificate(certificate_id), **kwargs)
        except NotFoundError as error:
            response = _missing(request, str(error.message))
        response["X-Robots-Tag"] = "noindex"
        return response

    return wrapped


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def certificate_new(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """The person confirms the name; afterwards, or when there is one already, the certificate itself is shown."""
    try:
        enrolment = get_enrolment(request.user, slug)
    except NotFoundError as error:
        raise Http404(error.message) from error
    known = Certificate.objects.filter(enrolment=enrolment).first()
    if known is not None:
        return redirect("certificates:certificate", known.pk)
    if enrolment.completed_at is None:
        messages.info(request, _("A certificate is for a completed course. Pass the steps first."))
        return redirect("courses:course_detail", slug)
    if request.method != "POST":
        return _form_page(request, enrolment, CertificateForm(initial={"name": str(request.user)}))
    form = CertificateForm(request.POST)
    if not form.is_valid():
        return _form_page(request, enrolment, form, status=422)
    certificate, _is_new = issue(
        enrolment, name=form.cleaned_data["name"], language=reading_language()
    )
    messages.success(request, _("Your certificate is issued. Its address never changes."))
    return redirect("certificates:certificate", certificate.pk)


@public
@require_safe
def certificate_detail(request: HttpRequest, certificate: Certificate) -> HttpResponse:
    return _page(request, certificate)


@public
@require_safe
def certificate_data(request: HttpRequest, certificate: Certificate) -> HttpResponse:
    return JsonResponse(
        certificate_json(certificate), json_dumps_params={"ensure_ascii": False, "indent": 1}
    )


@public
@require_safe
def certificate_file(request: HttpRequest, certificate: Certificate) -> HttpResponse:
    """The PDF of a valid one; of another its page says why there is none."""
    address = reverse("certificates:certificate", args=[certificate.pk])
    shown = shown_certificate(certificate, certificate.language)
    if not shown.is_valid or shown.is_erased:
        return redirect(address)
    whole_address = request.build_absolute_uri(address)
    key = f"certificate-pdf:{certificate.digest}:{request.get_host()}"
    content = cache.get(key)
    if content is None:
        try:
            content = certificate_pdf(shown, address=whole_address)
        except UnsetNameError:
            content = UNSET
        cache.set(key, content, PDF_CACHE_SECONDS)
    if content == UNSET:
        messages.warning(
            request,
            _(
                "The font of the PDF has not all letters of this name. Print this page, or save it as PDF in the "
                "browser's print dialogue."
            ),
        )
        return redirect(address)
    name = f"llmlora-{certificate.facts['course']['slug']}-{str(certificate.pk)[:8]}.pdf"
    return HttpResponse(
        content,
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}"'},
    )


@login_required
@public
@require_POST
def certificate_revoke(request: AuthenticatedRequest, certificate: Certificate) -> HttpResponse:
    form = RevokeForm(request.POST)
    if not may_revoke(request.user, certificate):
        raise PermissionDenied(_("Only those who lead the class can revoke its certificates."))
    if not form.is_valid():
        return _page(request, certificate, form=form, status=422)
    try:
        revoke(request.user, certificate, reason=form.cleaned_data["reason"])
    except ForbiddenError as error:
        raise PermissionDenied(str(error.message)) from error
    except ConflictError as error:
        messages.warning(request, str(error.message))
    else:
        messages.success(request, _("The certificate is revoked."))
    return redirect("certificates:certificate", certificate.pk)


def _page(
    request: HttpRequest,
    certificate: Certificate,
    *,
    form: RevokeForm | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = shown_certificate(certificate, reading_language())
    can_revoke = shown.is_valid and may_revoke(request.user, certificate)
    context = {
        "shown": shown,
        "certificate": certificate,
        "evidence": [
            {
                "kind": kind_title(entry.kind),
                "step": entry.step,
                "digest": entry.digest,
                "phrases": figure_phrases(entry.figures),
            }
            for entry in shown.evidence
        ],
        "steps": steps_sentence(shown.facts["steps"]) if shown.title else "",
        "address": request.build_absolute_uri(
            reverse("certificates:certificate", args=[certificate.pk])
        ),
        "revoke_form": (form or RevokeForm()) if can_revoke else None,
    }
    return render(request, "courses/certificate.html", context, status=status)


def _form_page(
    request: AuthenticatedRequest, enrolment: Enrolment, form: CertificateForm, *, status: int = 200
) -> HttpResponse:
    title = content_of(enrolment.version_id).about.title.text(reading_language())
    context = {"form": form, "course": enrolment.course, "title": title}
    return render(request, "courses/certificate_new.html", context, status=status)


def _missing(request: HttpRequest, sentence: str) -> HttpResponse:
    if request.path.endswith(".json"):
        return JsonResponse({"code": "not_found", "message": sentence}, status=404)
    return render(request, "courses/certificate_missing.html", {"sentence": sentence}, status=404)
