"""Settings of every installation. Values come from the environment (or `.env`); `.env.example` lists them all.

With nothing set, Connect runs embedded: SQLite, Celery over the file system, secrets made once under `DATA_DIR`.
With `DATABASE_URL` and `BROKER_URL` set it runs on PostgreSQL and Redis with the same code.
"""

import warnings
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from connect.embedded import embedded_secrets
from connect.environment import Env
from connect.operations.look import UNFOLD  # noqa: F401

# Unfold's own, at every start of every process; nothing here can be done about it.
warnings.filterwarnings("ignore", message="UnfoldAdminCheckboxSelectMultiple is deprecated")

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()
Env.read_env(BASE_DIR / ".env")

# --- Where it runs -------------------------------------------------------------------------------
DATA_DIR = Path(env.str("DATA_DIR", str(BASE_DIR / "var"))).absolute()
PORT = env.int("PORT", 8000)
BASE_URL = env.str("BASE_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
DEBUG = env.bool("DEBUG", False)
DEMO = env.bool("DEMO", False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
HTTPS = BASE_URL.startswith("https://")

DATABASE_URL = env.str("DATABASE_URL", "")
EMBEDDED = not DATABASE_URL or DATABASE_URL.startswith("sqlite")

# --- Secrets -------------------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY", "")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
SEALING_KEYS = env.list("SEALING_KEYS", default=[])
if EMBEDDED and not (SECRET_KEY and SEALING_KEYS):
    _made = embedded_secrets(DATA_DIR)
    SECRET_KEY = SECRET_KEY or _made["secret_key"]
    SEALING_KEYS = SEALING_KEYS or [_made["sealing_key"]]
if not SECRET_KEY or not SEALING_KEYS:
    raise ImproperlyConfigured(
        "SECRET_KEY and SEALING_KEYS must be set when DATABASE_URL is (see .env.example); "
        "`python -m connect.embedded` prints a fresh pair."
    )

# --- Database ------------------------------------------------------------------------------------
if EMBEDDED:
    _sqlite_path = DATABASE_URL.partition("sqlite:///")[2] or str(DATA_DIR / "connect.sqlite3")
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": _sqlite_path,
            "OPTIONS": {
                "timeout": 30,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA foreign_keys=ON;"
                "PRAGMA cache_size=-20000;PRAGMA temp_store=MEMORY;",
            },
        }
    }
else:
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
    DATABASES["default"]["ENGINE"] = "connect.postgres"
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        "pool": {
            "min_size": env.int("DATABASE_POOL_MIN", 1),
            "max_size": env.int("DATABASE_POOL_MAX", 12),
            "timeout": 10,
        },
        "options": f"-c statement_timeout={env.int('DATABASE_STATEMENT_TIMEOUT_MS', 30_000)}",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Cache (rate limits, worker heartbeats; losing it loses nothing) -------------------------------
REDIS_URL = env.str("REDIS_URL", "")
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "connect.redis_cache.RedisCache", "LOCATION": REDIS_URL}}
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(DATA_DIR / "cache"),
            "OPTIONS": {"MAX_ENTRIES": 10_000},
        }
    }

# --- Applications --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "connect.operations.apps.OperationsAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "csp",
    "django_otp",
    "connect.audit",
    "connect.organizations",
    "connect.operations",
    "webhooks",
    "portals",
    "portals.sandbox",
    "pulls",
    "pulls.exports",
    "patientflows",
    "connect.docs",
    "connect.example",
]

MIDDLEWARE = [
    "connect.request_id.RequestIdMiddleware",
    "connect.client_address.ClientAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "connect.security_headers.SecurityHeadersMiddleware",
    "connect.shedding.SheddingMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "connect.csrf.SameOriginCsrfMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "connect.urls"
WSGI_APPLICATION = "connect.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- People --------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_ENABLE_ADMIN = False
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
SESSION_COOKIE_AGE = env.int("ADMIN_SESSION_SECONDS", 8 * 3600)
ADMIN_IDLE_SECONDS = env.int("ADMIN_IDLE_SECONDS", 3600)
STAFF_TWO_STEP_REQUIRED = env.bool("STAFF_TWO_STEP_REQUIRED", False)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"  # __Host-: no subdomain can set it
SILENCED_SYSTEM_CHECKS = ["security.W003"]  # it looks for Django's own class by name; ours is a subclass
CSRF_FAILURE_VIEW = "patientflows.failure_pages.csrf_failure"

# --- Languages -----------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "patientflows" / "locale"]
FORMAT_MODULE_PATH = ["connect.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Static files --------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(DATA_DIR / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = EMBEDDED
MEDIA_ROOT = DATA_DIR / "media"
DOCS_ROOT = Path(env.str("DOCS_ROOT", str(BASE_DIR / "site")))

# Threads of a web process (bin/connect passes the same number to gunicorn); all but two work at a time.
WEB_THREADS = env.int("WEB_THREADS", 12)

# --- Security headers ----------------------------------------------------------------------------
SECURE_SSL_REDIRECT = HTTPS and env.bool("SECURE_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^health"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "no-referrer"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
BEHIND_PROXY = env.bool("BEHIND_PROXY", False)
PROXY_HOPS = env.int("PROXY_HOPS", 1 if BEHIND_PROXY else 0)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- API -----------------------------------------------------------------------------------------
API_VERSION = "2026-04-25"
API_RATE_LIMIT_PER_MINUTE = env.int("API_RATE_LIMIT_PER_MINUTE", 6000 if DEMO else 1200)
WRONG_KEYS_PER_MINUTE = env.int("WRONG_KEYS_PER_MINUTE", 30)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["connect.organizations.authentication.ApiKeyAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["connect.parsers.ApiJsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "connect.negotiation.AlwaysTheFirst",
    "DEFAULT_SCHEMA_CLASS": "connect.openapi.schema.ContractSchema",
    "EXCEPTION_HANDLER": "connect.error_answers.exception_handler",
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Connect",
    "VERSION": API_VERSION,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": False,
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": ["connect.docs.openapi.preprocess"],
    "POSTPROCESSING_HOOKS": ["connect.docs.openapi.postprocess"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False, "defaultModelsExpandDepth": 0},
    "REDOC_DIST": "SIDECAR",
}

# --- Celery: the broker only wakes workers; all work is rows (docs/decisions/0001) --------------------
BROKER_URL = env.str("BROKER_URL", REDIS_URL or "filesystem://localhost")
CELERY_BROKER_URL = BROKER_URL
if BROKER_URL.startswith("filesystem"):
    _queue_dir = DATA_DIR / "queue"
    for _name in ("messages", "processed", "control"):
        (_queue_dir / _name).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue_dir / "messages"),
        "data_folder_out": str(_queue_dir / "messages"),
        "control_folder": str(_queue_dir / "control"),
        "polling_interval": 0.05,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_timeout": 5, "socket_connect_timeout": 2}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "flows"
CELERY_TASK_ROUTES = {
    "patientflows.*": {"queue": "flows"},
    "portals.probe_due": {"queue": "exports"},  # slow work that nobody waits for
    "portals.plan_preflights": {"queue": "exports"},
    "portals.preflight_due": {"queue": "exports"},
    "connect.audit.walk": {"queue": "exports"},
    "portals.update_directories": {"queue": "exports"},
    "portals.*": {"queue": "refresh"},
    "pulls.exports.*": {"queue": "exports"},
    "pulls.*": {"queue": "pulls"},
    "webhooks.*": {"queue": "webhooks"},
    "connect.*": {"queue": "flows"},
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "deliver-due-events": {"task": "webhooks.deliver_due", "schedule": 2.0, "options": {"expires": 10}},
    "forget-idempotency-keys": {
        "task": "connect.organizations.prune",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "prune-webhook-history": {"task": "webhooks.prune", "schedule": 3600.0, "options": {"expires": 3600}},
    "refresh-due-connections": {"task": "portals.refresh_due", "schedule": 5.0, "options": {"expires": 20}},
    "end-due-access": {"task": "portals.end_due", "schedule": 30.0, "options": {"expires": 60}},
    "fetch-due-logos": {"task": "portals.fetch_logos", "schedule": 60.0, "options": {"expires": 60}},
    "live-through-sandbox-time": {"task": "portals.live_through_due", "schedule": 10.0, "options": {"expires": 30}},
    "probe-due-portals": {"task": "portals.probe_due", "schedule": 20.0, "options": {"expires": 20}},
    "plan-preflights": {"task": "portals.plan_preflights", "schedule": 300.0, "options": {"expires": 300}},
    "preflight-due-registrations": {"task": "portals.preflight_due", "schedule": 60.0, "options": {"expires": 60}},
    "revoke-due-tokens": {"task": "portals.revoke_due", "schedule": 15.0, "options": {"expires": 30}},
    "update-directories": {"task": "portals.update_directories", "schedule": 15.0, "options": {"expires": 60}},
    "run-due-pulls": {"task": "pulls.run_due", "schedule": 3.0, "options": {"expires": 10}},
    "run-due-exports": {"task": "pulls.exports.run_due", "schedule": 5.0, "options": {"expires": 20}},
    "erase-from-exports": {"task": "pulls.exports.erase_due", "schedule": 15.0, "options": {"expires": 30}},
    "expire-due-flows": {"task": "patientflows.expire_due", "schedule": 5.0, "options": {"expires": 20}},
    "chain-audit-log": {"task": "connect.audit.chain", "schedule": 10.0, "options": {"expires": 30}},
    "walk-audit-chain": {"task": "connect.audit.walk", "schedule": 600.0, "options": {"expires": 600}},
    "tally-closed-hours": {"task": "connect.operations.tally", "schedule": 60.0, "options": {"expires": 60}},
    "prune-by-retention": {"task": "connect.operations.prune", "schedule": 3600.0, "options": {"expires": 3600}},
    "watch-for-alerts": {"task": "connect.operations.watch", "schedule": 30.0, "options": {"expires": 60}},
    "beat-heartbeat": {"task": "connect.operations.heartbeat", "schedule": 10.0, "options": {"expires": 30}},
}

# --- The way out (connect/outbound) ---------------------------------------------------------------
OUTBOUND_ALLOW_INSECURE_HTTP = env.bool("OUTBOUND_ALLOW_INSECURE_HTTP", DEMO)
OUTBOUND_ALLOW_PRIVATE = env.bool("OUTBOUND_ALLOW_PRIVATE", DEMO)
OUTBOUND_ALLOWED_NETWORKS = env.list("OUTBOUND_ALLOWED_NETWORKS", default=[])
OUTBOUND_PROXY_URL = env.str("OUTBOUND_PROXY_URL", "")
OUTBOUND_CA_BUNDLE = env.str("OUTBOUND_CA_BUNDLE", "")
OUTBOUND_CONNECTIONS_PER_HOST = env.int("OUTBOUND_CONNECTIONS_PER_HOST", 16)

# --- Product figures -----------------------------------------------------------------------------
WEBHOOK_THREADS = env.int("WEBHOOK_THREADS", 48)
WEBHOOK_THREADS_PER_ENDPOINT = 12
REFRESH_THREADS = env.int("REFRESH_THREADS", 16)
WEBHOOK_ATTEMPT_DAYS = env.int("WEBHOOK_ATTEMPT_DAYS", 30)
WEBHOOK_EVENT_DAYS = env.int("WEBHOOK_EVENT_DAYS", 90)
STATE_LIFETIME_SECONDS = 3600
PULL_INTERVAL_SECONDS = env.int("PULL_INTERVAL_SECONDS", 24 * 3600)
DOCUMENT_MAX_BYTES = env.int("DOCUMENT_MAX_BYTES", 25 * 1024 * 1024)
PULL_GIVES_UP_AFTER_SECONDS = env.int("PULL_GIVES_UP_AFTER_SECONDS", 6 * 3600)
EXPORTS_DIR = env.str("EXPORTS_DIR", str(DATA_DIR / "exports"))
SANDBOX_ENABLED = env.bool("SANDBOX_ENABLED", DEMO)
EXAMPLE_ENABLED = env.bool("EXAMPLE_ENABLED", DEMO)
SANDBOX_DATA_DIR = env.str("SANDBOX_DATA_DIR", str(DATA_DIR / "sandbox"))
SANDBOX_BUNDLES = env.str("SANDBOX_BUNDLES", "")
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "connect@localhost")

LOG_LEVEL = env.str("LOG_LEVEL", "INFO")
LOGGING_CONFIG = "connect.logs.configure"
LOGGING = {"level": LOG_LEVEL, "json": env.bool("LOG_JSON", not EMBEDDED)}

# --- Operations ----------------------------------------------------------------------------------
# /health/ready and /metrics answer callers in these networks, and whoever sends the token.
OPERATIONS_NETWORKS = env.list(
    "OPERATIONS_NETWORKS",
    default=["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
)
OPERATIONS_TOKEN = env.str("OPERATIONS_TOKEN", "")

# --- Retention in days, 0 for good (connect/operations/retention.py; events: WEBHOOK_EVENT_DAYS above) ------
SIGN_IN_DAYS = env.int("SIGN_IN_DAYS", 90)
ADMIN_LOG_DAYS = env.int("ADMIN_LOG_DAYS", 6 * 365)
REVOCATION_DAYS = env.int("REVOCATION_DAYS", 30)
TIMELINE_DAYS = env.int("TIMELINE_DAYS", 365)
FLOW_DAYS = env.int("FLOW_DAYS", 0)
MISSING_PORTAL_DAYS = env.int("MISSING_PORTAL_DAYS", 365)
PULL_DETAIL_DAYS = env.int("PULL_DETAIL_DAYS", 30)
PULL_DAYS = env.int("PULL_DAYS", 0)
WEBHOOK_HELD_DAYS = env.int("WEBHOOK_HELD_DAYS", 180)
# How many of each patient's latest records `manage.py verify` opens.
VERIFY_RECORDS_A_PATIENT = env.int("VERIFY_RECORDS_A_PATIENT", 20)
ALERT_EMAILS = env.list("ALERT_EMAILS", default=[])
ALERT_WEBHOOK_URL = env.str("ALERT_WEBHOOK_URL", "")
ALERT_WEBHOOK_SECRET = env.str("ALERT_WEBHOOK_SECRET", "")
ALERT_PULL_FAILURES_PERCENT = env.int("ALERT_PULL_FAILURES_PERCENT", 50)
ALERT_ACCESS_LOST_TIMES = env.int("ALERT_ACCESS_LOST_TIMES", 5)
ALERT_REFRESH_FAILURES_PERCENT = env.int("ALERT_REFRESH_FAILURES_PERCENT", 20)
ALERT_OLDEST_DUE_SECONDS = env.int("ALERT_OLDEST_DUE_SECONDS", 300)
