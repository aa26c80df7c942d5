"""Makes our admin site the one that every app registers with; apart from apps.py, which may offer one config only."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class LlmloraAdminConfig(AdminConfig):
    default_site = "llmlora_site.admin_site.LlmloraAdminSite"
