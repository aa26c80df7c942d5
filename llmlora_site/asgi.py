"""HTTP and WebSockets: size limit, then Django; origin check, then user, then socket routes."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmlora_site.settings")
application = get_asgi_application()
