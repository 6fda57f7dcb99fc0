"""Settings, read from the environment and from `.env` beside manage.py; `.env.example` lists what can be set.

One file serves both ways to run: without DATABASE_URL and REDIS_URL everything is embedded
(SQLite, files and memory under var/); with them PostgreSQL and Redis carry it.
"""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from itomarkets.lib.environment import Environment
from itomarkets.lib.secret_files import kept_secret
from itomarkets.lib.venue_urls import LIVE_URLS, sandbox_urls

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
Environment.read_env(BASE_DIR / ".env", overwrite=False)

VAR_DIR = Path(env.str("ITO_VAR", default=str(BASE_DIR / "var")))
try:
    VAR_DIR.mkdir(parents=True, exist_ok=True)
except OSError as error:
    raise ImproperlyConfigured(f"ITO_VAR is {str(VAR_DIR)!r}, which is no folder to write in: {error}.") from error

# --- Who we are and where we are served ---------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
DATABASE_URL = env.str("DATABASE_URL", default="")
EMBEDDED = not DATABASE_URL
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY and EMBEDDED:
    # Trying it on one machine needs no ceremony: the key is made once and kept beside the database.
    SECRET_KEY = kept_secret(VAR_DIR / "secret-key")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set, but DATABASE_URL is. Put a long random value in the environment or in .env."
    )
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
# Keys of the audit trail's chain: the first signs, all verify. Older ones stay, or what they signed verifies no more.
AUDIT_KEYS = env.list("AUDIT_KEYS", default=[])
if any(len(key) < 32 for key in AUDIT_KEYS):
    raise ImproperlyConfigured("A key of AUDIT_KEYS is shorter than 32 characters; expected random ones, by commas.")
AUDIT_KEYS = AUDIT_KEYS or [SECRET_KEY, *SECRET_KEY_FALLBACKS]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Plain http is for one machine only: `up` and the browser tests set it, production does not.
INSECURE_HTTP = env.bool("INSECURE_HTTP", default=DEBUG)

INSTALLED_APPS = [
    "itomarkets",
    "itomarkets.records",
    # Before accounts, whose admin replaces pages of theirs.
    "rest_framework_api_key",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "accounts",
    "markets",
    "categorization",
    "baskets",
    "trading",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "itomarkets.middleware.RequestIdMiddleware",
    "itomarkets.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "itomarkets.urls"
WSGI_APPLICATION = "itomarkets.wsgi.application"
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
                "itomarkets.context.frame",
            ],
            "builtins": [
                "itomarkets.lib.templatetags.figures",
                "itomarkets.lib.templatetags.charts",
                "itomarkets.lib.templatetags.links",
            ],
        },
    }
]
CSRF_FAILURE_VIEW = "itomarkets.views.csrf_failure"

# --- Data ---------------------------------------------------------------------------------------
if EMBEDDED:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VAR_DIR / "itomarkets.sqlite3",
            "OPTIONS": {
                # One writer at a time: take the write lock at BEGIN, wait for it, let readers go on.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
                    "PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=268435456;"
                ),
            },
        }
    }
else:
    if not DATABASE_URL.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(
            "DATABASE_URL names no PostgreSQL; expected postgres://user:password@host/name, or nothing for SQLite."
        )
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
    DATABASES["default"]["CONN_MAX_AGE"] = env.count("CONN_MAX_AGE", default=60, least=0)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL and not REDIS_URL.startswith(("redis://", "rediss://")):
    raise ImproperlyConfigured(
        "REDIS_URL names no Redis; expected redis://host:6379/0, or nothing for files and memory."
    )
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "itomarkets"}}

# --- People -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
ACCOUNT_LOGOUT_REDIRECT_URL = "landing"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_UNIQUE_EMAIL = True
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
MAIL_IS_SENT = "EMAIL_URL" in env.ENVIRON
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if MAIL_IS_SENT else "none"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Itô Markets <no-reply@localhost>")
# Where no mail is sent, no address can be confirmed; a second factor must still be possible.
MFA_ALLOW_UNVERIFIED_EMAIL = not MAIL_IS_SENT
# How long a sign-in, a password or a second factor vouches for a step that can move real money.
ACCOUNT_REAUTHENTICATION_TIMEOUT = env.count("STEP_UP_SECONDS", default=300)
MFA_TOTP_ISSUER = "Itô Markets"
SESSION_COOKIE_AGE = int(timedelta(days=30).total_seconds())

# --- Transport ----------------------------------------------------------------------------------
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=not INSECURE_HTTP)
PROXIES = ALLAUTH_TRUSTED_PROXY_COUNT = env.count("PROXIES", default=1) if BEHIND_PROXY else 0
if not INSECURE_HTTP:
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = env.count("SECURE_HSTS_SECONDS", default=31_536_000, least=0)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=True)
    if BEHIND_PROXY:
        # Only behind a proxy that strips this header from what it is sent.
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000

# --- Static files -------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": env.str("STATICFILES_BACKEND", default="whitenoise.storage.CompressedManifestStaticFilesStorage")
    },
}
# A sourcemap comment in a vendored file must not stop collectstatic.
WHITENOISE_MANIFEST_STRICT = not DEBUG

# --- Language and time --------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
DATETIME_FORMAT = "Y-m-d H:i:s"  # the admin's ledgers; pages name their own formats

# --- API ----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["itomarkets.lib.scopes.HasScope"],
    "DEFAULT_RENDERER_CLASSES": [
        "itomarkets.lib.api_renderers.JsonRenderer",
        "itomarkets.lib.api_renderers.PageRenderer",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "itomarkets.lib.api_renderers.PagesForPeople",
    "DEFAULT_PARSER_CLASSES": ["itomarkets.lib.api_parsers.JsonParser"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.throttling.BucketThrottle"],
    "DEFAULT_SCHEMA_CLASS": "itomarkets.api_docs.schema.Schema",
    "EXCEPTION_HANDLER": "itomarkets.lib.api_handler.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    # A format is chosen by nobody: there is one.
    "URL_FORMAT_OVERRIDE": None,
    # How many proxies of ours stand before us: a caller's address is what the outermost one of them saw.
    "NUM_PROXIES": PROXIES,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Itô Markets",
    "DESCRIPTION": "Weighted baskets of prediction markets: read them, price them, trade them.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "LICENSE": {"name": "MIT"},
    "SERVE_INCLUDE_SCHEMA": False,
    # Choices are told where they stand: enumerations of their own would all want names.
    "POSTPROCESSING_HOOKS": [],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "COMPONENT_SPLIT_PATCH": False,
}
# Requests an hour: of one key unless staff gave it more, of all that one person does, of an address without a key.
API_KEY_RATE_PER_HOUR = env.count("API_KEY_RATE_PER_HOUR", default=1_000)
API_USER_RATE_PER_HOUR = env.count("API_USER_RATE_PER_HOUR", default=5_000, least=API_KEY_RATE_PER_HOUR)
API_ADDRESS_RATE_PER_HOUR = env.count("API_ADDRESS_RATE_PER_HOUR", default=600)
CRON_SECRET = env.str("CRON_SECRET", default="")
if CRON_SECRET and len(CRON_SECRET) < 20:
    raise ImproperlyConfigured(
        f"CRON_SECRET has {len(CRON_SECRET)} characters; expected at least 20, chosen at random. "
        "Leave it empty to close the cron endpoints."
    )

# --- Background work ----------------------------------------------------------------------------
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "trading.*": {"queue": "trading"},
    "markets.*": {"queue": "ingest" if REDIS_URL else "default"},
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ALWAYS_EAGER = env.bool("CELERY_TASK_ALWAYS_EAGER", default=False)
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {"visibility_timeout": 3600}
else:
    CELERY_BROKER_URL = "filesystem://"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR_DIR / "broker" / "queue"),
        "data_folder_out": str(VAR_DIR / "broker" / "queue"),
        "control_folder": str(VAR_DIR / "broker" / "control"),
        "processed_folder": str(VAR_DIR / "broker" / "processed"),
        "polling_interval": 0.1,
    }
    for _folder in ("queue", "control", "processed"):
        (VAR_DIR / "broker" / _folder).mkdir(parents=True, exist_ok=True)
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
# Categorization, mapping, overrides and expansion follow each sync: `run_pipeline` calls them in order.
CELERY_BEAT_SCHEDULE = {
    "sync-markets-daily": {
        "task": "itomarkets.sync_pipeline",
        "schedule": crontab(hour="2", minute="0"),
        "kwargs": {"full": True},
    },
    "sync-markets-delta": {
        "task": "itomarkets.sync_pipeline",
        "schedule": crontab(minute="5-59/10"),
        "kwargs": {"full": False},
    },
    "match-markets": {"task": "categorization.match_markets", "schedule": crontab(minute="40")},
    "record-prices": {"task": "baskets.record_prices", "schedule": crontab(minute="*")},
    "fix-official": {"task": "baskets.fix_official", "schedule": crontab(hour="0", minute="1,16,31")},
    "note-audit-head": {"task": "itomarkets.note_audit_head", "schedule": crontab(hour="4", minute="10")},
    "replay-sample": {"task": "baskets.replay_sample", "schedule": crontab(hour="3", minute="20")},
    "prune-history": {"task": "itomarkets.prune_history", "schedule": crontab(hour="4", minute="10")},
    "store-key-uses": {"task": "accounts.store_key_uses", "schedule": crontab(minute="*")},
    "reconcile-orders": {"task": "trading.reconcile", "schedule": timedelta(seconds=15)},
    "settle-positions": {"task": "trading.settle", "schedule": crontab(minute="*/5")},
}

# How many whole days rows are kept as they are; `manage.py prune_history` says what becomes of them. Hours and days
# of prices, conflicts, fixings on the hour, orders and the audit trail are kept for ever.
RETENTION_DAYS = {
    # Prices and fixings of the minute; afterwards those of five minutes stand for them, then those of the hour.
    "minutes": env.count("KEEP_MINUTES_DAYS", default=7),
    "five_minutes": env.count("KEEP_FIVE_MINUTES_DAYS", default=90, least=env.count("KEEP_MINUTES_DAYS", default=7)),
    # Runs of jobs and of the sync; the newest of each is kept whatever its age.
    "runs": env.count("KEEP_RUNS_DAYS", default=90),
}

# --- Venues -------------------------------------------------------------------------------------
VENUES = env.str("VENUES", default="sandbox")
if VENUES not in ("sandbox", "live"):
    raise ImproperlyConfigured(f"VENUES is {VENUES!r}; expected 'sandbox' (the built-in stand-in) or 'live'.")
SANDBOX_URL = env.web_address("SANDBOX_URL", default="http://127.0.0.1:8010")
VENUE_URLS = sandbox_urls(SANDBOX_URL) if VENUES == "sandbox" else LIVE_URLS
KALSHI_URL = env.web_address("KALSHI_URL", default=VENUE_URLS["KALSHI_URL"])
POLYMARKET_GAMMA_URL = env.web_address("POLYMARKET_GAMMA_URL", default=VENUE_URLS["POLYMARKET_GAMMA_URL"])
POLYMARKET_CLOB_URL = env.web_address("POLYMARKET_CLOB_URL", default=VENUE_URLS["POLYMARKET_CLOB_URL"])
POLYMARKET_DATA_URL = env.web_address("POLYMARKET_DATA_URL", default=VENUE_URLS["POLYMARKET_DATA_URL"])
SOCKET_SCHEMES = ("ws", "wss")
KALSHI_STREAM_URL = env.web_address(
    "KALSHI_STREAM_URL", default=VENUE_URLS["KALSHI_STREAM_URL"], schemes=SOCKET_SCHEMES
)
POLYMARKET_STREAM_URL = env.web_address(
    "POLYMARKET_STREAM_URL", default=VENUE_URLS["POLYMARKET_STREAM_URL"], schemes=SOCKET_SCHEMES
)
KALSHI_DEMO_URL = env.web_address("KALSHI_DEMO_URL", default="https://external-api.demo.kalshi.co/trade-api/v2")
KALSHI_KEY_ID = env.str("KALSHI_KEY_ID", default="")
KALSHI_PRIVATE_KEY = env.str("KALSHI_PRIVATE_KEY", default="", multiline=True)
VENUE_TIMEOUT_SECONDS = 10
# Requests a second that we allow ourselves; each below the venue's published limit.
VENUE_REQUESTS_PER_SECOND = {
    "kalshi": env.count("KALSHI_REQUESTS_PER_SECOND", default=18 if VENUES == "live" else 500),
    "polymarket": env.count("POLYMARKET_REQUESTS_PER_SECOND", default=40 if VENUES == "live" else 500),
}

# --- Trading ------------------------------------------------------------------------------------
LIVE_TRADING = env.bool("LIVE_TRADING", default=False)
CREDENTIAL_KEYS = env.list("CREDENTIAL_KEYS", default=[])
PAPER_OPENING_CASH = Decimal("10000")
QUOTE_LIFE_SECONDS = 15
# What each means is in trading/limits.py; a person's own, set by staff, can only be lower.
TRADE_LIMITS: dict[str, Any] = {
    "order_notional": env.dollars("LIMIT_ORDER", default="5000"),
    "trade_notional": env.dollars("LIMIT_TRADE", default="10000"),
    "day_notional": env.dollars("LIMIT_DAY", default="50000"),
    "theme_notional": env.dollars("LIMIT_THEME", default="30000"),
    "account_exposure": env.dollars("LIMIT_ACCOUNT", default="50000"),
    "person_exposure": env.dollars("LIMIT_PERSON", default="80000"),
    "daily_loss": env.dollars("LIMIT_DAILY_LOSS", default="2500"),
    "price_band": Decimal("0.10"),
    # A limit price goes past the worst price walked by this share of it, at least a tick.
    "slippage": Decimal("0.02"),
    "quote_age_seconds": env.count("LIMIT_QUOTE_AGE_SECONDS", default=90),
    "close_buffer_seconds": env.count("LIMIT_CLOSE_BUFFER_SECONDS", default=300),
    # An order that has not gone out this long after its confirmation is denied, not sent late.
    "send_within_seconds": env.count("LIMIT_SEND_WITHIN_SECONDS", default=60),
    # A trade that waits for its owner's choice this long is stopped: its cash is not held for ever.
    "hold_seconds": 900,
}
# Orders an account may send: so many a second, so many at once. Kalshi's basic tier; Polymarket allows more.
WRITE_BUDGETS: dict[str, tuple[int, int]] = {
    "kalshi": (env.count("KALSHI_ORDERS_PER_SECOND", default=10), env.count("KALSHI_ORDERS_AT_ONCE", default=10)),
    "polymarket": (env.count("POLYMARKET_ORDERS_PER_SECOND", default=40), 40),
}
# Calls to venues that one trade has under way at the same time.
SEND_THREADS = env.count("SEND_THREADS", default=8)
# How long a worker keeps an open line to an account's venue, never its keys, after its last use; 0: not at all.
LINE_KEPT_SECONDS = env.count("LINE_KEPT_SECONDS", default=300, least=0)
# Up to so many orders at one account go each by itself; more go together where the venue takes several at once.
ORDERS_SENT_SINGLY = env.count("ORDERS_SENT_SINGLY", default=4)
# A filled leg is sold again without asking only while this trade loses, at worst, no more than either.
UNWIND_LIMITS: dict[str, Decimal] = {"loss_dollars": Decimal("25"), "loss_share": Decimal("0.10")}
RECONCILIATION: dict[str, int] = {
    # A send that has not answered by then is unknown; longer than any client's own timeout.
    "submitting_seconds": 30,
    # How long a venue's listing may lag: before it, "not found" proves nothing.
    "grace_seconds": 60,
    # How long after "not placed" a venue is still asked, in case a slow order turns up.
    "zombie_seconds": 600,
    # How long a match may take to settle on chain before a way back no longer waits for it.
    "settling_seconds": 300,
}

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
    raise ImproperlyConfigured(f"LOG_LEVEL is {LOG_LEVEL!r}; expected DEBUG, INFO, WARNING, ERROR or CRITICAL.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # Each of these tells of every request or frame.
    "loggers": {name: {"level": "WARNING"} for name in ("httpx", "httpcore", "websockets")},
}
