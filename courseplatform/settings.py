"""Settings from the environment and `.env`.

DEBUG is off unless the environment turns it on. No secret has a public default: each comes from the environment or from
VAR_DIR/secrets.json, which `manage.py start` (and DEBUG) makes and keeps. Without either nothing starts.
"""

import os
import socket
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import django_stubs_ext
import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from courseplatform import private_files, storage_url
from courseplatform.version import (
    VERSION as VERSION,  # which processes tell, see `teams.presence`
)

django_stubs_ext.monkeypatch()  # lets `forms.ModelForm[Course]` be written

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
env.read_env(BASE_DIR / ".env", overwrite=False)

DEBUG = env.bool("DEBUG", default=False)
VAR_DIR = Path(env.str("VAR_DIR", default=str(VAR_DIR)))
private_files.make_folder(VAR_DIR)

# A platform that one machine made for itself: every command on it finds the same secrets.
STARTS_HERE = sys.argv[1:2] == ["start"]
KEPT_SECRETS = private_files.kept_secrets(VAR_DIR, make=DEBUG or STARTS_HERE)
LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


def _secret(name: str) -> str:
    given: str = env.str(name, default="") or KEPT_SECRETS.get(name, "")
    if given:
        return given
    raise ImproperlyConfigured(
        f"{name} is not set, and {VAR_DIR} holds no platform that was started on this machine. "
        f"In production set {name} to a long random text, in the environment or in .env (SECRET_KEY, SERVICE_TOKEN and "
        "ALLOWED_HOSTS are needed). On your own machine run `make demo` or `manage.py start` once, which makes secrets "
        "of its own, or set DEBUG=1 to develop."
    )


SECRET_KEY = _secret("SECRET_KEY")
# Earlier ones, while what they made is still about.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=LOOPBACK if KEPT_SECRETS else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS is not set. Name the host people use, for example ALLOWED_HOSTS=course.example.edu."
    )
if DEBUG and not set(ALLOWED_HOSTS) <= {*LOOPBACK, "testserver"}:
    raise ImproperlyConfigured(
        f"DEBUG=1 shows the inside of the platform on its error pages, so it is for {', '.join(LOOPBACK)} only, and "
        f"ALLOWED_HOSTS names {', '.join(ALLOWED_HOSTS)}. Set DEBUG=0, or leave ALLOWED_HOSTS away."
    )

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "axes",
    "csp",
    "django_htmx",
    "template_partials",
    "django_rq",
    "lti_tool",
    "teams",
    "datasets",
    "training",
    "evaluation",
    "courseplatform",
]

MIDDLEWARE = [
    "courseplatform.operations.observed.ObservedRequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "teams.second_step.SecondStepMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "courseplatform.bodies.RefusedBodyMiddleware",
    "courseplatform.full_disk.FullDiskMiddleware",
    "courseplatform.storage_away.StorageAwayMiddleware",
    "courseplatform.error_pages.LostPageMiddleware",
    "teams.impersonation.ReadOnlyMiddleware",
    "teams.lms_sessions.OneCourseMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "courseplatform.urls"
ASGI_APPLICATION = "courseplatform.asgi.application"

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
                "csp.context_processors.nonce",
                "courseplatform.context.page",
            ],
            "builtins": [
                "django.templatetags.static",
                "django_htmx.templatetags.django_htmx",
                "teams.templatetags.units",
                "teams.templatetags.glossary",
            ],
        },
    }
]

SQLITE_DEFAULT = f"sqlite:///{VAR_DIR / 'db.sqlite3'}"
DATABASES = {"default": env.db_url("DATABASE_URL", default=SQLITE_DEFAULT)}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["CONN_MAX_AGE"] = env.int(
    "CONN_MAX_AGE", default=600
)  # seconds; the web process's threads stay, see `courseplatform.handler`
# Behind pgbouncer's transaction pooling no statement may count on what an earlier one left in its connection.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = env.bool("PGBOUNCER", default=False)
# Connections of one web process to the database: these two, and 4 for answers of bots. Who finds none free waits.
WEB_THREADS = env.int("WEB_THREADS", default=16)
WEB_DOWNLOADS = env.int("WEB_DOWNLOADS", default=24)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON;",
    }
    # A file, because several threads cannot share SQLite in memory; one per test session, because sessions run side by side.
    DATABASES["default"]["TEST"] = {
        "NAME": str(Path(tempfile.gettempdir()) / f"course-test-{os.getpid()}.sqlite3")
    }

AUTH_USER_MODEL = "teams.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
# Behind the limits of `teams.services.throttle`; lower, it would lock people out for others on their campus.
AXES_FAILURE_LIMIT = 30
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = (
    "username"  # its default would be the model's field, `email`, which no form sends
)
AXES_USERNAME_CALLABLE = "teams.access.attempted_email"
AXES_LOCKOUT_TEMPLATE = "teams/sign_in_locked.html"
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# Who must have a second factor on the whole platform, whatever a course says: nobody (empty), "staff" or "everyone".
SECOND_FACTOR = env.str("SECOND_FACTOR", default="")
if SECOND_FACTOR not in ("", "staff", "everyone"):
    raise ImproperlyConfigured(
        f"SECOND_FACTOR is {SECOND_FACTOR!r}. Leave it empty, or set it to staff or everyone."
    )

# --- Sign-in through the university (OpenID Connect); the button is there once issuer and client are named -------------
# Exactly as the service's own description writes it.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
OIDC_NAME = env.str("OIDC_NAME", default="your university account")
OIDC_EMAIL_DOMAINS = env.list(
    "OIDC_EMAIL_DOMAINS", default=[]
)  # empty: any address that the service verified

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "courseplatform" / "static"]
WHITENOISE_USE_FINDERS = DEBUG
KEPT_ON = storage_url.plan(
    env("STORAGE_URL", default=""), env("STORAGE_ALSO", default=""), debug=DEBUG
)
STORAGE_SHELF, STORAGE_SIGNED_DOWNLOADS = KEPT_ON.shelf, KEPT_ON.signed
STORAGE_SHELVES, STORAGE_SECRETS, STORAGES = KEPT_ON.shelves, KEPT_ON.secrets, KEPT_ON.backends
MEDIA_ROOT = VAR_DIR / "media"
FILE_UPLOAD_PERMISSIONS = (
    0o600  # Django's own default lets every user of the server read what was uploaded
)
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
# Private, and swept by `courseplatform.arriving`.
FILE_UPLOAD_TEMP_DIR = str(VAR_DIR / "arriving")
private_files.make_folder(Path(FILE_UPLOAD_TEMP_DIR))
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("PASTE_LIMIT_BYTES", default=10 * 1024 * 1024)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
# Whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses or networks of reverse proxies, nobody by default.
# Anyone can send these headers; believed, they make every try at a password come from another place.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = False
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
if not DEBUG and env.bool("HTTPS", default=True):
    SECURE_SSL_REDIRECT = True
    # Load balancers and Prometheus ask from inside, without TLS.
    SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|healthz|metrics)$"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31536000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://" if DEBUG else "dummymail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = env.int(
    "EMAIL_TIMEOUT", default=10
)  # seconds for one answer of the mail server; the worker waits, no page
SITE_URL = env.str("SITE_URL", default="http://localhost:8000")  # for links in mail
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="course@localhost")

SERVICE_STATE = env.str(
    "SERVICE_STATE", default=""
)  # where `manage.py start` says which service is failing

# --- For monitoring ---------------------------------------------------------------------------------------------------
# Who may read /metrics: addresses and networks, and who sends this token. Nobody, unless one of them is set.
METRICS_ALLOWED = env.list("METRICS_ALLOWED", default=[])
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
SENTRY_DSN = env.str("SENTRY_DSN", default="")  # where errors are reported; empty: nowhere
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="production")
# What this host is good for, as its workers say it: `manage.py start --label gpu1`.
HOST_LABELS = env.list("HOST_LABELS", default=[])
# Seconds that a process which is to end goes on with what it does: a web process with answers and requests, a worker
# with its job. Then answers are broken off, and a run goes on elsewhere from its checkpoint.
DRAIN_SECONDS = env.int("DRAIN_SECONDS", default=0)

# --- Redis and RQ: wake-up calls and live progress; never the truth -------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
RQ_COMMON = {
    "URL": REDIS_URL,
    "SERIALIZER": "rq.serializers.JSONSerializer",
    "DEFAULT_TIMEOUT": 6 * 3600,
}
RQ_QUEUES = {  # what is for which: `teams.queues`
    "training": dict(RQ_COMMON),
    "quick": dict(RQ_COMMON, DEFAULT_TIMEOUT=900),
    "interviews": dict(RQ_COMMON),
    "files": dict(RQ_COMMON, DEFAULT_TIMEOUT=900),
}
RQ_SHOW_ADMIN_LINK = False

# --- Where models answer ----------------------------------------------------------------------------------------------
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_ADMIN_KEY = env.str(
    "OPENAI_ADMIN_KEY", default=""
)  # reads the organization's costs; nothing else
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="https://api.openai.com/v1")
HAS_PROVIDER = bool(
    OPENAI_API_KEY
)  # whether the environment names the operator's first provider; others are rows
# Secrets that seal the keys of providers in the database, newest first; empty: SECRET_KEY and its fallbacks.
PROVIDER_KEY_SECRETS = env.list("PROVIDER_KEY_SECRETS", default=[])
# Hosts and networks inside private networks that providers may have all the same, for example 10.2.0.0/16,models.campus.
PROVIDER_PRIVATE_HOSTS = env.list("PROVIDER_PRIVATE_HOSTS", default=[])
# Where Azure deploys models and where it gives tokens for that; other clouds than the public one have their own.
AZURE_MANAGEMENT_URL = env.str("AZURE_MANAGEMENT_URL", default="https://management.azure.com")
AZURE_LOGIN_URL = env.str("AZURE_LOGIN_URL", default="https://login.microsoftonline.com")
MODEL_SERVER_URL = env.str("MODEL_SERVER_URL", default="http://127.0.0.1:8301/v1")
PROGRAM_SERVER_URL = env.str("PROGRAM_SERVER_URL", default="http://127.0.0.1:8302/v1")
SERVICE_TOKEN = _secret("SERVICE_TOKEN")  # the web process and the model servers share it
RUNS_ROOT = VAR_DIR / "runs"
BASE_MODELS_ROOT = BASE_DIR / "training" / "base_models"
# The tiny model in the repository cannot learn a team's own rows: it is there for tests, which need a run of seconds.
OFFER_TEST_MODEL = env.bool("OFFER_TEST_MODEL", default=False)
ENGINES_ROOT = BASE_DIR / "training" / "engines"

# --- Limits, each stated on the page it concerns ------------------------------------------------------------------------
# What a team and a whole course may keep on this machine, in bytes, where the instructor says nothing else.
TEAM_DISK_BYTES = env.int("TEAM_DISK_BYTES", default=2 * 10**9)
COURSE_DISK_BYTES = env.int("COURSE_DISK_BYTES", default=40 * 10**9)
# What archives leave free on the machine's disk: the database has to go on writing beside them.
DISK_LEFT_FREE_BYTES = env.int("DISK_LEFT_FREE_BYTES", default=256 * 10**6)
# Days that files are kept after their use is over: docs/retention.md.
# How long the operator's backups are kept: what is erased today is in none of them after that.
BACKUP_KEPT_DAYS = env.int("BACKUP_KEPT_DAYS", default=30)
UPLOAD_KEPT_DAYS = env.int("UPLOAD_KEPT_DAYS", default=14)
OPEN_IMPORT_KEPT_DAYS = env.int("OPEN_IMPORT_KEPT_DAYS", default=60)
CHECKPOINT_KEPT_DAYS = env.int("CHECKPOINT_KEPT_DAYS", default=14)
MERGED_KEPT_DAYS = env.int("MERGED_KEPT_DAYS", default=7)
DATASET_MAX_BYTES = env.int("DATASET_MAX_BYTES", default=200 * 1024 * 1024)
RUN_ARCHIVE_MAX_BYTES = env.int("RUN_ARCHIVE_MAX_BYTES", default=1024**3)
# How long a finished run waits for a storage that is away, and how often its checkpoint is stored at most.
STORAGE_PATIENCE_SECONDS = env.int("STORAGE_PATIENCE_SECONDS", default=900)
STORAGE_CHECKPOINT_SECONDS = env.int("STORAGE_CHECKPOINT_SECONDS", default=20)
COURSE_ARCHIVE_MAX_BYTES = env.int("COURSE_ARCHIVE_MAX_BYTES", default=2 * 1024**3)
PRIVACY_MODEL = env.bool(
    "PRIVACY_MODEL", default=True
)  # names by a trained model, beside the rules; 215 MB in the worker
DATASET_MAX_ROWS = env.int("DATASET_MAX_ROWS", default=200_000)
CHAT_MAX_MESSAGE_CHARACTERS = env.int("CHAT_MAX_MESSAGE_CHARACTERS", default=4_000)
CHAT_MAX_ANSWER_TOKENS = env.int("CHAT_MAX_ANSWER_TOKENS", default=300)
# What this host is called in leases, on pages and in logs. Empty: as the machine calls itself.
HOST_NAME = (env.str("HOST_NAME", default="") or socket.gethostname())[:80]
RUN_LEASE_SECONDS = env.int("RUN_LEASE_SECONDS", default=60)
RECONCILE_SECONDS = env.int("RECONCILE_SECONDS", default=15)
PACE_TRIAL_SECONDS = env.float(
    "PACE_TRIAL_SECONDS", default=4
)  # of training, to learn this machine's pace; 0: no trials
CLOUD_POLL_SECONDS = env.int("CLOUD_POLL_SECONDS", default=20 if OPENAI_API_KEY else 2)

# --- What is said when something goes wrong: never a secret ------------------------------------------------------------
DEFAULT_EXCEPTION_REPORTER = "courseplatform.redaction.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "courseplatform.redaction.Filter"
LOG_FORMAT = env.str("LOG_FORMAT", default="line")  # or "json": one object a line
if LOG_FORMAT not in ("line", "json"):
    raise ImproperlyConfigured(
        f"LOG_FORMAT is {LOG_FORMAT!r}. Set it to “line” or “json”, or leave it away."
    )
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "courseplatform.redaction.Formatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "courseplatform.operations.json_logs.JsonFormatter"},
    },
    "filters": {"where": {"()": "teams.log_context.Where"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["where"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="WARNING")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "openai": {"level": "WARNING"},
        "axes": {"level": "ERROR"},
    },
}
