"""HTTP and WebSockets: size limit, then Django; origin check, then user, then socket routes."""

from __future__ import annotations

import gc
import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmlora_site.settings")
# First of all: the imports below need the app registry.
django_application = get_asgi_application()

from accounts.socket_auth import SocketAuth, SocketOrigin, refuse_socket  # noqa: E402
from chat.routing import websocket_urlpatterns as chat_urlpatterns  # noqa: E402
from courses.routing import websocket_urlpatterns as courses_urlpatterns  # noqa: E402
from llmlora_site.body_limit import BodyLimit  # noqa: E402
from training.routing import websocket_urlpatterns as training_urlpatterns  # noqa: E402


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Nothing to start or stop; servers that ask get their answer."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


# An address that no route knows is refused at the handshake; without this the router raises.
no_such_socket = re_path(r"", refuse_socket)  # type: ignore[arg-type]

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(django_application),
        "websocket": SocketOrigin(
            SocketAuth(
                URLRouter(
                    [
                        *training_urlpatterns,
                        *chat_urlpatterns,
                        *courses_urlpatterns,
                        no_such_socket,
                    ]
                )
            )
        ),
        "lifespan": lifespan,
    }
)

# What is loaded by now stays as long as the process. The collector of garbage need not walk it again and again, which
# takes half a second in the middle of somebody's request.
gc.collect()
gc.freeze()
