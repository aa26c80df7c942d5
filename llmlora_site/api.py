"""The REST API: one NinjaAPI, each app's router, one way to fail, and JSON without NaN both ways."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.errors import ValidationError, ValidationErrorContext
from ninja.openapi.docs import DocsBase
from ninja.parser import Parser
from ninja.renderers import JSONRenderer

from accounts.api import cohorts_router, data_router, notifications_router
from accounts.api import router as accounts_router
from chat.api import router as chat_router
from common import strict_json
from courses.api import router as courses_router
from datasets_app.api import router as datasets_router
from llmlora_site.api_auth import PageAuth, TokenAuth
from llmlora_site.api_errors import add_error_handlers
from llmlora_site.health import router as health_router
from modelhub.api import router as models_router
from training.api import router as training_router
from training.api.workers import router as workers_router


class StrictParser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        return strict_json.loads(request.body)


class StrictRenderer(JSONRenderer):
    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> str:
        return strict_json.dumps(data, encoder=self.encoder_class)


class OfflineDocs(DocsBase):
    """Swagger UI from this server's own files, started by a script file, as the Content-Security-Policy asks."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        return render(
            request,
            "llmlora_site/api_docs.html",
            {"openapi_url": self.get_openapi_url(api, kwargs)},
        )


class LlmloraAPI(NinjaAPI):
    def validation_error_from_error_contexts(
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> ValidationError:
        """Locations as the caller knows them: the name of our function's body argument is not part of the JSON."""
        own_names = {
            getattr(context.model, "__read_from_single_attr__", None) for context in error_contexts
        }
        error = super().validation_error_from_error_contexts(error_contexts)
        for finding in error.errors:
            source, *path = finding["loc"]
            if source == "body" and path and path[0] in own_names:
                finding["loc"] = (source, *path[1:])
        return error


api = LlmloraAPI(
    title="llmlora",
    version=settings.VERSION,
    description=(
        "Everything that the pages do. Send an API token as `Authorization: Bearer <token>`; get one from "
        "`POST /api/auth/token` or on the settings page. Messages come in the language of `Accept-Language`."
    ),
    urls_namespace="api",
    auth=[TokenAuth(), PageAuth()],
    docs=OfflineDocs(),
    parser=StrictParser(),
    renderer=StrictRenderer(),
)
add_error_handlers(api)
api.add_router("", health_router)
api.add_router("", courses_router)
api.add_router("/auth", accounts_router)
api.add_router("", cohorts_router)
api.add_router("/me", data_router)
api.add_router("/notifications", notifications_router)
api.add_router("/models", models_router)
api.add_router("/datasets", datasets_router)
api.add_router("/training", training_router)
api.add_router("/workers", workers_router)
api.add_router("/chat", chat_router)
