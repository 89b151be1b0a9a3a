"""Real Chromium against a live server in this process: one browser and one server for all of these tests.

The server's threads have database connections of their own, and the tests' clock (time-machine) is the server's too.
"""

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from tests.browser.scenes import Scene
from tests.patientflows.hospital import Hospital
from tests.patientflows.visitor import Visitor

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
SECONDS = 20  # patience with a machine that does other things too


def pytest_collection_modifyitems(items):
    """They need Chromium."""
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def db(django_db_setup, django_db_blocker):
    """The database as the server's threads see it too: what a test wrote is deleted after it.

    In place of pytest-django's, whose TRUNCATE of every table takes a second of each test on PostgreSQL.
    """
    with django_db_blocker.unblock():
        yield
        empty_database()


def empty_database() -> None:
    """Delete every row but those that migrations made. Foreign keys are checked at the end, so any order will do."""
    kept = {"django_migrations", "django_content_type", "auth_permission"}
    with transaction.atomic(), connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True):
            if table not in kept:
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")


@pytest.fixture(scope="package")
def live_server_here(django_db_setup):
    live = LiveServer("127.0.0.1")
    yield live
    live.stop()


@pytest.fixture
def server(chromium, live_server_here, db, settings) -> str:
    """The live server's address, which Connect believes is its own; another site than the portal's `localhost`."""
    settings.BASE_URL = live_server_here.url
    return settings.BASE_URL


@pytest.fixture
def browser_window(chromium: Browser, server):
    """A factory of browsers that have been nowhere: a desktop's, or with `phone=True` a phone's."""
    contexts = []

    def opened(*, phone: bool = False, locale: str = "en-US", **more) -> Page:
        size = {"viewport": PHONE, "has_touch": True, "is_mobile": True} if phone else {"viewport": DESKTOP}
        context = chromium.new_context(locale=locale, base_url=server, **size | more)
        context.set_default_timeout(SECONDS * 1000)
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def page(browser_window) -> Page:
    """A desktop browser, in English."""
    return browser_window()


@pytest.fixture
def phone(browser_window) -> Page:
    return browser_window(phone=True)


@pytest.fixture
def hospital():
    with Hospital() as portal:
        yield portal


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


@pytest.fixture
def scene(server, organization, api, hospital, visitor, monkeypatch) -> Scene:
    """An organisation in its colours, a portal in the catalogue, and ways to bring a flow to any state."""
    assert server == django_settings.BASE_URL
    return Scene(organization, api, hospital, visitor, monkeypatch)
