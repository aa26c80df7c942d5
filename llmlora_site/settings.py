"""Every setting, grouped; each limit with its reason."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from llmlora_site.home import Home
from modelhub.chat_servers import read_chat_servers

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"
env = environ.Env()
LLMLORA_HOME = Home.from_environment()

# --- who may reach it ---------------------------------------------------------------------------
DEBUG = env.bool("LLMLORA_DEBUG", default=False)
SECRET_KEY = env.str("LLMLORA_SECRET_KEY", default="") or LLMLORA_HOME.secret_key()
LLMLORA_HOST = env.str("LLMLORA_HOST", default="127.0.0.1")
LLMLORA_PORT = env.int("LLMLORA_PORT", default=8000)
# The address people type when it differs from host and port: behind a proxy or on a network.
PUBLIC_URL = env.str("LLMLORA_PUBLIC_URL", default="").rstrip("/")
# Where a link in a mail leads; a worker knows no request that would tell.
_local_host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(LLMLORA_HOST, LLMLORA_HOST)
SITE_ADDRESS = PUBLIC_URL or f"http://{_local_host}:{LLMLORA_PORT}"
_is_https = PUBLIC_URL.startswith("https://")
_public_host = (
    PUBLIC_URL.partition("://")[2].partition("/")[0].rpartition(":")[0]
    or PUBLIC_URL.partition("://")[2]
)
ALLOWED_HOSTS = env.list(
    "LLMLORA_ALLOWED_HOSTS",
    default=[
        name
        for name in ("localhost", "127.0.0.1", "[::1]", LLMLORA_HOST, _public_host)
        if name and name != "0.0.0.0"
    ],
)
if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "LLMLORA_ALLOWED_HOSTS must name hosts; '*' would switch the origin check off."
    )
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _is_https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _is_https else None
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- applications -------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "llmlora_site.admin_apps.LlmloraAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "channels",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "template_partials",
    "heroicons",
    "ninja",
    "common",
    "accounts",
    "modelhub",
    "datasets_app",
    "training",
    "chat",
    "courses",
    "llmlora_site",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "llmlora_site.api_errors.ApiErrorsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "common.middleware.HtmxPagesMiddleware",
]
ROOT_URLCONF = "llmlora_site.urls"
ASGI_APPLICATION = "llmlora_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "common.context_processors.page",
                "courses.lesson_link.lesson",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "heroicons.templatetags.heroicons",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- database -----------------------------------------------------------------------------------


def _sqlite_options() -> dict[str, object]:
    """WAL only where SQLite has the fix for the WAL-reset race (3.51.3, 3.50.7, 3.44.6): older ones can lose pages."""
    version = sqlite3.sqlite_version_info
    is_fixed = (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )
    journal = (
        "journal_mode=WAL; PRAGMA synchronous=NORMAL"
        if is_fixed
        else "journal_mode=TRUNCATE; PRAGMA synchronous=FULL"
    )
    return {
        "timeout": 20,
        # A read transaction that turns into a writer fails at once with SQLITE_BUSY; an immediate one waits its turn.
        "transaction_mode": "IMMEDIATE",
        "init_command": f"PRAGMA {journal}; PRAGMA foreign_keys=ON;",
    }


DATABASE_URL = env.str("DATABASE_URL", default="")
if DATABASE_URL:
    DATABASES = {"default": env.db("DATABASE_URL")}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": LLMLORA_HOME.database,
            "OPTIONS": _sqlite_options(),
        }
    }
# Sign-in limits must hold across web processes and survive an emptied Redis.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache_entries",
    },
}

# --- Redis: wake-ups and live events only; it may be emptied at any time ------------------------
REDIS_URL = env.str("REDIS_URL", default="") or f"unix://{LLMLORA_HOME.redis_socket}"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # The layer waits for a message 5 s at a time; the client library gives up after 5 s as well by
            # default, and a socket that heard nothing for that long would close.
            "hosts": [{"address": REDIS_URL, "socket_connect_timeout": 2, "socket_timeout": 15}],
            "prefix": "llmlora:asgi",
            # Capacity is counted per web process, not per socket; the default of 100 drops events of a full class.
            "capacity": 2000,
            "expiry": 30,
            "group_expiry": 7200,
        },
    }
}
CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://", 1)
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# The row and its lease are the truth; a message is a poke and may be lost or come twice.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": "llmlora:",
    # Whoever starts a job waits this long for a Redis that takes connections and answers nothing.
    "socket_timeout": 4,
    "socket_connect_timeout": 2,
    "health_check_interval": 15,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.2,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Live updates are hints: at two a second a page feels live and a class of forty stays cheap.
LIVE_EVENT_INTERVAL_SECONDS = 0.5
REPLY_FLUSH_INTERVAL_SECONDS = 0.1
# Of a worker that writes many replies at once; people read as comfortably, and the database has less to do.
MOST_REPLY_FLUSH_INTERVAL_SECONDS = 0.25
LEASE_SECONDS = env.float("LLMLORA_LEASE_SECONDS", default=60)
PATROL_INTERVAL_SECONDS = env.float("LLMLORA_PATROL_SECONDS", default=5)
# Attempts that a lost worker or a dead engine may end; the user's own errors are never tried again.
MAX_ATTEMPTS = 3
# Before the second attempt; four times as long before the third.
LOSS_BACKOFF_SECONDS = env.float("LLMLORA_LOSS_BACKOFF_SECONDS", default=10)
# Workers of several hosts share no folder: checkpoints then stand in storage too.
CHECKPOINTS_IN_STORAGE = env.bool("LLMLORA_CHECKPOINTS_IN_STORAGE", default=bool(DATABASE_URL))
# So long a job that failed or was cancelled can be resumed from its checkpoint.
CHECKPOINT_HOURS = 24
# The engine runs the job with the least left to do first; what it holds beside that one waits a little for its turn.
JOBS_PER_DEVICE = env.int("LLMLORA_JOBS_PER_DEVICE", default=4)
if JOBS_PER_DEVICE < 1:
    raise ImproperlyConfigured(
        "LLMLORA_JOBS_PER_DEVICE must be 1 or more; with less no job would ever run."
    )
# Among people who wait, who used a device least in these days goes first; their class may set other limits.
USAGE_DAYS = 7
MAX_RUNNING_JOBS_PER_PERSON = 1
# After so long a wait it does not count any more what somebody has used: nobody waits for ever.
QUEUE_AGEING_SECONDS = 3600.0
# Replies that a worker hands to its engine at once; 0: as many as the engine decodes together on the worker's device.
CHAT_SLOTS = env.int("LLMLORA_CHAT_SLOTS", default=0)
CHAT_REPLIES_PER_OWNER = env.int("LLMLORA_CHAT_REPLIES_PER_OWNER", default=4)
if CHAT_SLOTS < 0 or CHAT_REPLIES_PER_OWNER < 1:
    raise ImproperlyConfigured(
        "LLMLORA_CHAT_SLOTS must be 0 or more and LLMLORA_CHAT_REPLIES_PER_OWNER 1 or more; "
        "with less no message would ever be answered."
    )
# Beyond these a new message is refused with the time to try again: a queue nobody outlives helps nobody.
CHAT_WAITING_PER_OWNER = 8
CHAT_WAITING_IN_ALL = 200
CHAT_MESSAGES_PER_MINUTE = 30
# Threads wait on the engine's pipe, so they cost little; each held job keeps one. However many jobs a worker may hold,
# a message for its other work always finds a thread.
CELERY_WORKER_CONCURRENCY = max(env.int("LLMLORA_WORKER_THREADS", default=8), JOBS_PER_DEVICE + 4)
CELERY_WORKER_POOL = "threads"

# --- accounts -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
    "sesame.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
# A whole class signs in from one address in the same minute; guessing one person's password is limited by that person.
ACCOUNT_RATE_LIMITS = {
    "login": "300/m/ip",
    "login_failed": "60/m/ip,5/300s/key",
    "signup": "120/m/ip",
}
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"login": "accounts.forms.SignInForm"}
LLMLORA_SIGNUP_OPEN = env.bool("LLMLORA_SIGNUP_OPEN", default=True)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
SESAME_MAX_AGE = 3600
SESAME_ONE_TIME = True
SESAME_TOKEN_NAME = "token"

# --- mail: for forgotten passwords and for jobs that ended; without a server nothing is sent -----
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
    env.str("LLMLORA_FROM_EMAIL", default="") or f"llmlora <llmlora@{_public_host or 'localhost'}>"
)
MAIL_ENABLED = EMAIL_BACKEND not in (
    "django.core.mail.backends.console.EmailBackend",
    "django.core.mail.backends.dummy.EmailBackend",
)

# --- languages ----------------------------------------------------------------------------------
LANGUAGE_CODE = env.str("LLMLORA_LANGUAGE", default="en")
LANGUAGES = [("ja", "日本語"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("LLMLORA_TIME_ZONE", default="UTC")
FORMAT_MODULE_PATH = ["llmlora_site.formats"]

# --- files --------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = LLMLORA_HOME.root / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG
# Workers on other hosts need the same storage: a folder of a network drive, or an object store.
MEDIA_ROOT = Path(env.str("LLMLORA_MEDIA", default="") or LLMLORA_HOME.media).expanduser()
if not MEDIA_ROOT.is_absolute():
    raise ImproperlyConfigured(
        f"LLMLORA_MEDIA must be an absolute path, and is {str(MEDIA_ROOT)!r}."
    )
MEDIA_URL = ""


def _storage_options() -> dict[str, object]:
    text = env.str("LLMLORA_STORAGE_OPTIONS", default="")
    try:
        options = json.loads(text or "{}")
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise ImproperlyConfigured(
            'LLMLORA_STORAGE_OPTIONS must be a JSON object, for example {"bucket_name": "llmlora"}.'
        )
    return options


STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": env.str("LLMLORA_STORAGE", default="")
        or "common.storage.AtomicFileSystemStorage",
        "OPTIONS": _storage_options(),
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# What a file may hold is bounded by the disk and by patience, not by memory: it is read as a stream.
MAX_UPLOAD_BYTES = 1024 * 1024 * 1024
MAX_EXAMPLES = 1_000_000
# So much of a file is read while its sender waits; the rest is a worker's.
REQUEST_CHECK_BYTES = 8 * 1024 * 1024
# Text that is pasted, and records that a program sends, are held in memory.
MAX_TEXT_BYTES = 50 * 1024 * 1024
USER_DATASET_BYTES = 4 * 1024 * 1024 * 1024
COHORT_DATASET_BYTES = 20 * 1024 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_TEXT_BYTES + 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
MAX_REQUEST_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE
# Only these addresses take a whole file.
UPLOAD_PATHS = ("/api/datasets/upload", "/datasets/new/")
MAX_UPLOAD_REQUEST_BYTES = MAX_UPLOAD_BYTES + 1024 * 1024
MAX_ANONYMOUS_REQUEST_BYTES = 64 * 1024
# Datasets of the Hugging Face Hub can be fetched, if instructors allow them one by one.
HUB_ENABLED = not env.bool("HF_HUB_OFFLINE", default=False)
# A job needs room for its adapter, its copies and the database; below this nothing new is accepted.
MIN_FREE_DISK_BYTES = 500 * 1024 * 1024

# --- Content-Security-Policy: no inline script, no eval, nothing from elsewhere -----------------
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

# --- API ----------------------------------------------------------------------------------------
API_TOKEN_MAX_DAYS = 90
IDEMPOTENCY_HOURS = 24

# --- other servers that answer chats ------------------------------------------------------------
# Web server and workers read the same list; docs/chat.md has its keys.
CHAT_SERVERS = read_chat_servers(
    env.str("LLMLORA_CHAT_SERVERS", default=""), storage_path=str(MEDIA_ROOT)
)
# Replies that one worker asks of one such server at once: it has a queue of its own, and a slow one fills no other's.
CHAT_SERVER_SLOTS = env.int("LLMLORA_CHAT_SERVER_SLOTS", default=32)
# A server that loads a large model first is silent for long; one that is gone must not keep its readers for ever.
CHAT_SERVER_SILENCE_SECONDS = env.float("LLMLORA_CHAT_SERVER_SILENCE_SECONDS", default=120)
if CHAT_SERVER_SLOTS < 1 or not 0 < CHAT_SERVER_SILENCE_SECONDS <= 3600:
    raise ImproperlyConfigured(
        "LLMLORA_CHAT_SERVER_SLOTS must be 1 or more, and LLMLORA_CHAT_SERVER_SILENCE_SECONDS more than 0 and at "
        "most 3600; otherwise no chat server would ever answer."
    )

# --- Ollama, when a school runs it --------------------------------------------------------------
OLLAMA_URL = env.str("OLLAMA_URL", default="")

# --- logging ------------------------------------------------------------------------------------
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
