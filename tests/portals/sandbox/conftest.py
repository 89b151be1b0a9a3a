"""The sandbox alone, with one set of holdings for the whole session."""

import pytest
from django.core.management import call_command

from tests.portals.sandbox.visitor import App


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """The demo's holdings: three generated patients and the project's own families."""
    folder = tmp_path_factory.mktemp("sandbox")
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr("portals.sandbox.conf.data_dir", lambda: folder)
        context.setattr("portals.sandbox.conf.bundles_dir", lambda: None)
        call_command("sandbox_data", verbosity=0)
    return folder


@pytest.fixture(autouse=True)
def sandbox(settings, db, prepared):
    settings.ROOT_URLCONF = "tests.portals.sandbox.urls"
    settings.SANDBOX_DATA_DIR = str(prepared)
    settings.SANDBOX_BUNDLES = ""
    return settings


@pytest.fixture
def app():
    """A factory: `app("slow")` is an app of that variant, not yet connected."""
    return App


@pytest.fixture
def connected():
    """A factory: `connected("slow")` is an app whose patient has said yes."""
    return lambda variant="plain", username="patient", **decided: App(variant).connect(username, **decided)
