"""Signed-in windows of the admin, and something of everything to look at."""

import pytest

from tests.operations.world import make_staff, make_world

PASSWORD = "a long enough password"


@pytest.fixture
def world(server):
    return make_world()


@pytest.fixture
def signed_in(browser_window):
    """A factory: a window in which somebody of this role has signed in. What the console complains of fails the test."""
    complaints = []

    def signed_in(role: str, *organizations, **more):
        user = make_staff(role, *organizations, everywhere=not organizations)
        page = browser_window(**more)
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/admin/")
        page.get_by_label("Username").fill(user.username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/admin/")
        return page

    yield signed_in
    assert complaints == []
