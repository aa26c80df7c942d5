"""Languages and times."""

from __future__ import annotations

from llmlora_site.settings.environment import BASE_DIR, env

LANGUAGE_CODE = env.str("LLMLORA_LANGUAGE", default="en")
LANGUAGES = [("ja", "日本語"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("LLMLORA_TIME_ZONE", default="UTC")
FORMAT_MODULE_PATH = ["llmlora_site.formats"]
