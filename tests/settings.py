"""Settings for tests: production's code paths, fast hashing, no network, nothing left behind."""

import base64
import os
import secrets
import tempfile

os.environ.setdefault("DEBUG", "0")
os.environ.setdefault("SECRET_KEY", "tests-only-" + "x" * 50)
os.environ.setdefault("CREDENTIAL_KEYS", "tests:" + base64.b64encode(os.urandom(32)).decode())
os.environ.setdefault("INSECURE_HTTP", "1")
os.environ.setdefault("ITO_VAR", tempfile.mkdtemp(prefix="itomarkets-tests-"))
# A folder without certificates: nothing here speaks TLS, and every client that is made would read all of them.
os.environ.setdefault("SSL_CERT_DIR", os.environ["ITO_VAR"])

from itomarkets.settings import *  # noqa: F403

STATIC_ROOT = VAR_DIR / "static"  # noqa: F405
STATIC_ROOT.mkdir(exist_ok=True)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
CELERY_BROKER_URL = "memory://"
CELERY_TASK_ALWAYS_EAGER = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CRON_SECRET = "cron-secret-for-tests"
# All tests ask from one address, and some ask the same Redis at once.
API_ADDRESS_RATE_PER_HOUR = 1_000_000
CACHES["default"]["KEY_PREFIX"] = f"{secrets.token_hex(4)}:"  # noqa: F405
# Calls in line: a thread of its own would not see what a test has not committed. The races turn it on.
SEND_THREADS = 1
# And each order by itself: tests count and break requests. Those of batches turn it on.
ORDERS_SENT_SINGLY = 1000
# A line of one test is no line of the next.
LINE_KEPT_SECONDS = 0


def cache_key(key: str, prefix: str, version: int) -> str:
    """Name a cached value; conftest.py gives each test a name of its own."""
    return f"{os.environ.get('ITO_TEST_CACHE', '')}:{prefix}:{version}:{key}"


CACHES["default"]["KEY_FUNCTION"] = cache_key  # noqa: F405
