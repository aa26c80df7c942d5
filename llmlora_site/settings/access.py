"""Who may reach it, at which address, and what a browser may load from there."""

from __future__ import annotations

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from llmlora_site.settings.environment import LLMLORA_HOME, env

SECRET_KEY = env.str("LLMLORA_SECRET_KEY", default="") or LLMLORA_HOME.secret_key()
LLMLORA_HOST = env.str("LLMLORA_HOST", default="127.0.0.1")
LLMLORA_PORT = env.int("LLMLORA_PORT", default=8000)
# The address people type when it differs from host and port: behind a proxy or on a network.
PUBLIC_URL = env.str("LLMLORA_PUBLIC_URL", default="").rstrip("/")
# Where a link in a mail leads; a worker knows no request that would tell.
_local_host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(LLMLORA_HOST, LLMLORA_HOST)
SITE_ADDRESS = PUBLIC_URL or f"http://{_local_host}:{LLMLORA_PORT}"
is_https = PUBLIC_URL.startswith("https://")
public_host = (
    PUBLIC_URL.partition("://")[2].partition("/")[0].rpartition(":")[0]
    or PUBLIC_URL.partition("://")[2]
)
ALLOWED_HOSTS = env.list(
    "LLMLORA_ALLOWED_HOSTS",
    default=[
        name
        for name in ("localhost", "127.0.0.1", "[::1]", LLMLORA_HOST, public_host)
        if name and name != "0.0.0.0"
    ],
)
if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "LLMLORA_ALLOWED_HOSTS must name hosts; '*' would switch the origin check off."
    )
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = is_https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if is_https else None
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Content-Security-Policy: no inline script, no eval, nothing from elsewhere.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        "manifest-src": [SELF],
    }
}
