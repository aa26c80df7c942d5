"""Socket addresses of training."""

from __future__ import annotations

from django.urls import path

from training.consumers import TrainingConsumer

websocket_urlpatterns = [
    path("ws/training/<uuid:job_id>", TrainingConsumer.as_asgi()),
]
