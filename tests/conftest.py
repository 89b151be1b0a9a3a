"""What every test has: a broker and a cache of its own, an organisation, and clients with keys."""

import os

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import expect, sync_playwright

from connect import wrong_keys
from connect.audit import append_only
from connect.celery import app
from connect.organizations.models import Environment, Tenant
from tests import services
from tests.factories import ApiClient, make_key, make_organization
from tests.together import TogetherScheduling

# A busy machine is no fault of the code: examples are counted, not timed.
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def broker_in_memory():
    """Wake-ups go nowhere: a test runs the work it is about itself."""
    app.conf.broker_url = "memory://"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Tests that empty every table may empty the audit log too; its triggers are shown in tests/audit."""
    with django_db_blocker.unblock():
        append_only.remove()


def pytest_xdist_make_scheduler(config, log):
    """A file's tests stay on one process, and so do those that share a browser or a running stack.

    (Not by `xdist_group`: pytest-xdist 3.8 sets a node id that pytest 9.2 no longer has.)
    """
    return TogetherScheduling(config, log)


BROWSER_PATIENCE_MS = 20_000  # with a machine that does other things too


@pytest.fixture(scope="session")
def chromium():
    """One browser for every test of a process: two of Playwright's loops cannot run in one thread."""
    if not services.has_chromium():
        if services.IN_CI:
            pytest.fail("CI needs Chromium.")
        pytest.skip("Chromium is not installed.")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread; Django's guard against that is about other people's loops.
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=str(services.CHROMIUM), args=services.CHROMIUM_FLAGS)
        expect.set_options(timeout=BROWSER_PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def cache_in_memory(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    wrong_keys.forget()


@pytest.fixture
def organization(db):
    return make_organization()


@pytest.fixture
def tenant(organization):
    """The organisation's sandbox."""
    return Tenant(organization.pk, Environment.SANDBOX)


@pytest.fixture
def api(organization):
    """A client with every scope in the organisation's sandbox."""
    return ApiClient(make_key(organization))


@pytest.fixture
def stranger(db):
    """Another organisation's client."""
    return ApiClient(make_key(make_organization("Other")))


@pytest.fixture
def production(organization):
    """The same organisation's client in its other environment."""
    return ApiClient(make_key(organization, Environment.PRODUCTION))
