"""Django's administration under our name, reached through the same sign-in page as everything else."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _


class LlmloraAdminSite(AdminSite):
    site_title = "llmlora"
    site_header = _("llmlora administration")
    index_title = _("Administration")

    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """The one sign-in page, with its rate limits; somebody signed in who may not enter is told so."""
        address = request.GET.get(REDIRECT_FIELD_NAME, "")
        if not url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}):
            address = "/admin/"
        if self.has_permission(request):
            return redirect(address)
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(address)
