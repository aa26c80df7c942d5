"""Public addresses of certificates; they stand on paper, so they never change."""

from __future__ import annotations

from django.urls import path

from courses.views import certificates

app_name = "certificates"
urlpatterns = [
    path("<uuid:certificate_id>/", certificates.certificate_detail, name="certificate"),
    path("<uuid:certificate_id>.json", certificates.certificate_data, name="certificate_json"),
    path("<uuid:certificate_id>.pdf", certificates.certificate_file, name="certificate_pdf"),
    path("<uuid:certificate_id>/revoke/", certificates.certificate_revoke, name="revoke"),
]
