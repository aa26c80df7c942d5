"""What is written to the log."""

from __future__ import annotations

from llmlora_site.settings.environment import env

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LLMLORA_LOG_LEVEL", default="INFO")},
    "loggers": {
        "daphne.http_protocol": {"level": "WARNING"},
        "django.server": {"level": "WARNING"},
        # They tell which letters a PDF needs, and so what stands in it.
        "fontTools": {"level": "ERROR"},
        "fpdf": {"level": "ERROR"},
    },
}
