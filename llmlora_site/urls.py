"""Every address of the product."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from accounts.views import language
from courses.views.home import home
from llmlora_site.api import api
from llmlora_site.openai_api import openai_api

urlpatterns = [
    path("", home, name="home"),
    path("datasets/", include("datasets_app.urls")),
    path("training/", include("training.urls")),
    path("chat/", include("chat.urls")),
    path("courses/", include("courses.urls")),
    path("certificates/", include("courses.certificate_urls")),
    path("models/", include("modelhub.urls")),
    path("", include("accounts.urls")),
    *([path("accounts/sso/", include("accounts.sso.urls"))] if settings.OIDC else []),
    # Not allauth.urls: of its pages for other sites' accounts none is used.
    path("accounts/", include("allauth.account.urls")),
    path("language/", language, name="set_language"),
    path("admin/classroom/", include("courses.instructor.urls")),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("v1/", openai_api.urls),
]
