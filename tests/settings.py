"""Settings of the test suite: Connect's own, with data in a temporary folder and no broker process.

The engine is whatever `DATABASE_URL` and `REDIS_URL` say (`make test-sqlite`, `make test-postgres`).
"""

import atexit
import os
import shutil
import tempfile

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
DATA = tempfile.mkdtemp(prefix=f"connect-tests-{WORKER}-")
atexit.register(shutil.rmtree, DATA, ignore_errors=True)

os.mkdir(f"{DATA}/static")
os.environ["DATA_DIR"] = DATA
os.environ["DEMO"] = "1"
os.environ["BROKER_URL"] = "memory://"
os.environ["BASE_URL"] = "http://testserver"
os.environ["ALLOWED_HOSTS"] = "testserver,127.0.0.1,localhost,[::1]"
os.environ["EMAIL_URL"] = "memorymail://"
if os.environ.get("DATABASE_URL"):
    os.environ.setdefault("SECRET_KEY", "tests")
    os.environ.setdefault("SEALING_KEYS", "0000aaaa:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")

from connect.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if EMBEDDED:  # noqa: F405
    # A file, as in an installation: threads (live servers, races) get connections of their own.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATA}/test.sqlite3"}  # noqa: F405
if not os.environ.get("REDIS_URL"):
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
else:
    CACHES["default"]["KEY_PREFIX"] = WORKER
