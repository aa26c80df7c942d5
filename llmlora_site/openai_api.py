"""The OpenAI-compatible API below /v1: an API of its own, which fails in that protocol's words and takes no cookie."""

from __future__ import annotations

from django.conf import settings

from chat.openai_api.router import router
from llmlora_site.api import LlmloraAPI, OfflineDocs, StrictParser, StrictRenderer
from llmlora_site.api_auth import TokenAuth
from llmlora_site.api_errors import add_error_handlers, openai_error_response

openai_api = LlmloraAPI(
    title="llmlora, OpenAI-compatible",
    version=settings.VERSION,
    description=(
        "For any client of the OpenAI protocol: its base address is this server's with `/v1`, its key an API token "
        "from the settings page. `model` is a base model's name, or `job-<id>` of a completed training job. "
        "Fields of a request that are not listed here are ignored."
    ),
    urls_namespace="openai",
    auth=TokenAuth(),
    docs=OfflineDocs(),
    parser=StrictParser(),
    renderer=StrictRenderer(),
)
add_error_handlers(openai_api, openai_error_response)
openai_api.add_router("", router)
