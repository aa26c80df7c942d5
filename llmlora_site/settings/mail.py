"""Mail, for forgotten passwords and for jobs that ended; without a server nothing is sent."""

from __future__ import annotations

from llmlora_site.settings.access import public_host
from llmlora_site.settings.environment import env

# For example smtp+tls://name:password@mail.school.example:587; special characters of the password percent-encoded.
_mail = env.email_url_config(env.str("LLMLORA_EMAIL_URL", default="") or "consolemail://")
EMAIL_BACKEND = env.str("LLMLORA_EMAIL_BACKEND", default=_mail["EMAIL_BACKEND"])
EMAIL_HOST = _mail["EMAIL_HOST"] or "localhost"
EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)
EMAIL_PORT = _mail["EMAIL_PORT"] or (465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
EMAIL_HOST_USER = _mail["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_PASSWORD"] or ""
EMAIL_FILE_PATH = _mail["EMAIL_FILE_PATH"] or None
# A mail server that does not answer must not hold up a worker.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = (
    env.str("LLMLORA_FROM_EMAIL", default="") or f"llmlora <llmlora@{public_host or 'localhost'}>"
)
MAIL_ENABLED = EMAIL_BACKEND not in (
    "django.core.mail.backends.console.EmailBackend",
    "django.core.mail.backends.dummy.EmailBackend",
)
