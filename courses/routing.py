"""Socket addresses of the classes."""

from __future__ import annotations

from django.urls import path

from courses.consumers import ClassroomConsumer

websocket_urlpatterns = [
    path("ws/classroom/<uuid:cohort_id>", ClassroomConsumer.as_asgi()),
]
