"""Settings of every process. Defaults are safe for production; secrets have none.

Each setting of ours is described in docs/configuration.md; tests/database/config/test_project.py
checks that. Any variable may be given as NAME_FILE, the path of a file that holds the value.
"""

from datetime import timedelta
from pathlib import Path

import django_stubs_ext
import environ
from csp.constants import NONE, SELF

from server.config.broker import dramatiq_broker, redis_database
from server.metrics import catalogue
from server.observability.logging import build_logging

django_stubs_ext.monkeypatch()
env = environ.FileAwareEnv()

BASE_DIR = Path(__file__).resolve().parents[3]

# --- Django -------------------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY")
DEBUG = False
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "server.config.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_I18N = False

INSTALLED_APPS = [
    # Before our apps: it sets the broker, to which actors bind when they are imported.
    "django_dramatiq",
    "server.timescale",
    "server.nodes",
    "server.events",
    "server.mailqueues",
    "server.metrics",
    "server.ledger",
    "server.rollups",
    "server.profiles",
    "server.alerts",
    "server.live",
    "server.ingest",
    "server.api",
    "server.dashboard",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    # Last: its groups get the permissions that all apps before it made.
    "server.accounts",
]

MIDDLEWARE = [
    "server.observability.request_id.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "server.ingest.middleware.IngestFastPath",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Pages and answers; files are compressed already. A token in a page is masked anew each time.
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "server.http.unavailable.UnavailableMiddleware",
    "server.accounts.middleware.RequireRole",
    "axes.middleware.AxesMiddleware",
]

CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Templates of the pages lie beside their views; Django looks for 403_csrf.html by name.
        "DIRS": [BASE_DIR / "server", BASE_DIR / "server" / "dashboard" / "shell" / "errors"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {
                "icons": "server.dashboard.shell.assets.icons",
                "formats": "server.dashboard.shell.format_filters",
                "links": "server.dashboard.shell.lists.links",
            },
            "context_processors": CONTEXT_PROCESSORS,
        },
    }
]

# --- Storage ------------------------------------------------------------------------------------
DATABASES = {"default": env.db("DATABASE_URL", engine="timescale.db.backends.postgresql")}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

REDIS_URL = env.str("REDIS_URL")
INBOX_REDIS_URL = env.str("INBOX_REDIS_URL", default=redis_database(REDIS_URL, 0))
BROKER_REDIS_URL = env.str("BROKER_REDIS_URL", default=redis_database(REDIS_URL, 1))
LIVE_REDIS_URL = env.str("LIVE_REDIS_URL", default=redis_database(REDIS_URL, 2))
DRAMATIQ_BROKER = dramatiq_broker(BROKER_REDIS_URL)
DRAMATIQ_AUTODISCOVER_MODULES = ["actors", "blocks.actors", "notifications.actors"]
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [LIVE_REDIS_URL], "capacity": 100, "expiry": 10},
    }
}
# Each login page writes a session row; nothing else needs a shared cache yet.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # With server.api.caching.MAX_CACHED_BYTES the bound of its memory: 32 MiB.
        "OPTIONS": {"MAX_ENTRIES": 64},
    }
}
# In the session, not in a cookie: a new key is shown by a message.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Accounts -----------------------------------------------------------------------------------
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# After so many wrong passwords a name cannot log in from that address for a while.
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURES", default=10)
# After so many from an address, whatever the names, nobody can.
LOGIN_FAILURES_OF_ADDRESS = env.int("LOGIN_FAILURES_OF_ADDRESS", default=50)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("LOGIN_LOCKED_MINUTES", default=15))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "server.http.client_address.of_request"
AXES_LOCKOUT_TEMPLATE = "accounts/locked.html"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

# --- Transport security (behind a TLS proxy that sets X-Forwarded-Proto) -----------------------
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# Browsers accept a cookie of such a name only over TLS, from this very host.
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"
# Whether the name goes onto the browsers' preload lists is the domain owner's decision.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

# Where the browser opens its socket; empty: this site's own /ws/live/.
LIVE_URL = env.str("LIVE_URL", default="")
# Whose pages may open it: exact origins, with the port where it is not 443.
LIVE_ORIGINS = env.list("LIVE_ORIGINS", default=[f"https://{host}" for host in ALLOWED_HOSTS])

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF, *([LIVE_URL] if LIVE_URL else [])],
        "img-src": [SELF, "data:"],
        # ECharts and Tabler set style attributes; scripts never run inline.
        "style-src": [SELF, "'unsafe-inline'"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# --- Static files -------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=str(BASE_DIR / ".run" / "static"))()
STATICFILES_FINDERS = [
    "server.dashboard.shell.assets.static_files.DashboardFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "server.dashboard.shell.assets.static_files.StaticStorage"},
}

# --- API ----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["server.http.json_renderer.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "server.http.unavailable.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Mallard",
    "DESCRIPTION": "API of a Mallard server for agents, plugins and programs.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "server.ingest.openapi.add_wire_components",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AlertStateEnum": "server.alerts.models.State",
        "SeverityEnum": "server.alerts.models.Severity",
        "SuppressionEnum": "server.alerts.models.Suppression",
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Ingest endpoint ----------------------------------------------------------------------------
INGEST_MAX_WIRE_BYTES = env.int("INGEST_MAX_WIRE_BYTES", default=4 * 1024 * 1024)
INGEST_MAX_UNPACKED_BYTES = env.int("INGEST_MAX_UNPACKED_BYTES", default=16 * 1024 * 1024)
INGEST_MAX_EVENTS = env.int("INGEST_MAX_EVENTS", default=5_000)
# Requests per web process: 2000/second, 100/minute, …/hour, …/day.
INGEST_KEY_RATE = env.str("INGEST_KEY_RATE", default="2000/second")
INGEST_ADDRESS_RATE = env.str("INGEST_ADDRESS_RATE", default="5000/second")
# New nodes that one key of any node makes, per web process.
NEW_NODES_RATE = env.str("NEW_NODES_RATE", default="200/hour")
# Proxies whose X-Forwarded-For is trusted: addresses or networks.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=["127.0.0.1/32", "::1/128"])
# Django would refuse a body over 2.5 MB before the ingest endpoint could answer 413 itself.
DATA_UPLOAD_MAX_MEMORY_SIZE = INGEST_MAX_WIRE_BYTES + 1
KEY_CACHE_SECONDS = env.int("KEY_CACHE_SECONDS", default=10)
# How long a key works on after it was rotated.
KEY_ROTATION_HOURS = env.int("KEY_ROTATION_HOURS", default=24)

# --- Inbox and writer ---------------------------------------------------------------------------
INBOX_MAX_ENTRIES = env.int("INBOX_MAX_ENTRIES", default=200_000)
INBOX_MAX_BYTES = env.int("INBOX_MAX_BYTES", default=1024 * 1024 * 1024)
WRITER_MAX_EVENTS = env.int("WRITER_MAX_EVENTS", default=20_000)
WRITER_LINGER_MS = env.int("WRITER_LINGER_MS", default=50)
WRITER_CLAIM_AFTER_MS = env.int("WRITER_CLAIM_AFTER_MS", default=30_000)

# --- Retention -----------------------------------------------------------------------------------
EVENTS_RETENTION_DAYS = env.int("EVENTS_RETENTION_DAYS", default=180)
METRICS_RETENTION_DAYS = env.int("METRICS_RETENTION_DAYS", default=90)
METRICS_5M_RETENTION_DAYS = env.int("METRICS_5M_RETENTION_DAYS", default=90)
METRICS_1H_RETENTION_DAYS = env.int("METRICS_1H_RETENTION_DAYS", default=730)
METRICS_DAILY_RETENTION_DAYS = env.int("METRICS_DAILY_RETENTION_DAYS", default=730)
# Events and samples that could not be stored; past the bound the oldest are given up.
DEAD_LETTERS_RETENTION_DAYS = env.int("DEAD_LETTERS_RETENTION_DAYS", default=30)
DEAD_LETTERS_MAX = env.int("DEAD_LETTERS_MAX", default=10_000)
NODE_CHANGES_RETENTION_DAYS = env.int("NODE_CHANGES_RETENTION_DAYS", default=730)
# Alerts, incidents and blocks that have ended, and silences.
ALERTS_RETENTION_DAYS = env.int("ALERTS_RETENTION_DAYS", default=730)
LOGIN_RECORDS_RETENTION_DAYS = env.int("LOGIN_RECORDS_RETENTION_DAYS", default=180)
#: Hypertable or level → days.
RETENTION_DAYS = {
    "email_events": EVENTS_RETENTION_DAYS,
    "email_stats_1m": env.int("EMAIL_STATS_1M_RETENTION_DAYS", default=8),
    "email_stats_5m": env.int("EMAIL_STATS_5M_RETENTION_DAYS", default=90),
    "email_stats_1h": env.int("EMAIL_STATS_1H_RETENTION_DAYS", default=730),
    "email_stats_daily": env.int("EMAIL_STATS_DAILY_RETENTION_DAYS", default=730),
    **{kind.table: METRICS_RETENTION_DAYS for kind in catalogue.METRICS},
    catalogue.MAIL_QUEUE.table: env.int("MAIL_QUEUE_RETENTION_DAYS", default=14),
    **{f"{kind.table}_5m": METRICS_5M_RETENTION_DAYS for kind in catalogue.KINDS},
    **{f"{kind.table}_1h": METRICS_1H_RETENTION_DAYS for kind in catalogue.KINDS},
    **{f"{kind.table}_daily": METRICS_DAILY_RETENTION_DAYS for kind in catalogue.KINDS},
}
# Only the Community edition compresses.
COMPRESS_EVENTS_AFTER_HOURS = env.int("COMPRESS_EVENTS_AFTER_HOURS", default=48)
COMPRESS_METRICS_AFTER_HOURS = env.int("COMPRESS_METRICS_AFTER_HOURS", default=192)
#: Hypertable → columns to segment by, columns to order by, after how many hours.
COMPRESSION = {
    "email_events": ("event_type", "occurred_at DESC", COMPRESS_EVENTS_AFTER_HOURS),
    **{
        kind.table: (", ".join(kind.key), "time DESC", COMPRESS_METRICS_AFTER_HOURS)
        for kind in catalogue.METRICS
    },
    # Not by database: the unique key is of node and time.
    catalogue.MAIL_QUEUE.table: ("node_id", "time DESC", COMPRESS_METRICS_AFTER_HOURS),
}

# --- Levels --------------------------------------------------------------------------------------
# How many values a bucket names of a direction, type and dimension; the others are one row.
LEVELS_MAX_VALUES = env.int("LEVELS_MAX_VALUES", default=5_000)

# --- Live pages ---------------------------------------------------------------------------------
LIVE_TICK_MS = env.int("LIVE_TICK_MS", default=125)
NODE_OFFLINE_AFTER_S = env.int("NODE_OFFLINE_AFTER_S", default=45)

# --- Alerts -------------------------------------------------------------------------------------
# Where people reach the pages: links in notifications begin with it. Empty: they have none.
PUBLIC_URL = env.str("PUBLIC_URL", default="")
# Rule files, which `manage.py alerts` reads; empty: no directory.
ALERT_RULES_DIR = env.str("ALERT_RULES_DIR", default="")
# Networks beyond the public internet that notifications may be sent to.
NOTIFICATION_NETWORKS = env.list("NOTIFICATION_NETWORKS", default=[])
# Dead man's switch: pinged after each round of the rules that succeeded.
WATCHDOG_URL = env.str("WATCHDOG_URL", default="")
# Whether the service knows /fail behind it, as Healthchecks does.
WATCHDOG_SIGNALS = env.bool("WATCHDOG_SIGNALS", default=False)

# --- Read API -----------------------------------------------------------------------------------
# Requests of one person or key, per web process.
READ_RATE = env.str("READ_RATE", default="1200/minute")
# The same query within this time gets the same answer, in each web process.
READ_CACHE_SECONDS = env.int("READ_CACHE_SECONDS", default=3)

# --- Logs ---------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FORMAT = env.str("LOG_FORMAT", default="line")
LOGGING = build_logging(level=LOG_LEVEL, formatter=LOG_FORMAT)
