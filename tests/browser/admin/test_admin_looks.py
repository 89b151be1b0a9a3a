"""Our own pages and parts of pages in the admin: accessible, light and dark, on a desk and on a phone."""

import pytest

from connect.operations import links
from tests.browser import checks

OURS = "#overview, .ops-panels, .ops-narrow, .ops-form, .ops-bar"


@pytest.fixture
def addresses(world) -> dict[str, str]:
    rows = world.rows()
    return {
        "overview": "/admin/?window=7d",
        "two-step": "/admin/two-step/",
        "pull": links.page("pulls.pull", rows["pulls.pull"].pk),
        "patient": links.page("organizations.patient", rows["organizations.patient"].pk),
        "flow": links.page("patientflows.patientflow", rows["patientflows.patientflow"].pk),
        "source": links.page("portals.source", world.source.pk),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_they_are_accessible_and_fit(scheme, addresses, signed_in):
    page = signed_in("administrator", color_scheme=scheme)
    for name, address in addresses.items():
        page.goto(address)
        assert ours(page) == [], name
        assert checks.overflow(page) <= 0, (name, widest(page))
        checks.keep_picture(page, f"admin-{name}-{scheme}")


def test_they_fit_a_phone(addresses, signed_in):
    page = signed_in("administrator", phone=True)
    for name, address in addresses.items():
        page.goto(address)
        assert checks.overflow(page) <= 0, (name, widest(page))
        checks.keep_picture(page, f"admin-{name}-phone")


def widest(page) -> str:
    """The element that sticks out the furthest."""
    return page.evaluate("""() => [...document.querySelectorAll('body *')].map(e => [e.getBoundingClientRect().right, e.outerHTML.slice(0, 200)])
        .sort((one, other) => other[0] - one[0])[0].join(' ')""")


def ours(page) -> list[str]:
    """What axe finds in our own parts; the frame around them is Unfold's."""
    page.evaluate(checks.AXE)
    run = """([tags, ours]) => axe.run({include: [...document.querySelectorAll(ours)]}, {
        runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})"""
    found = page.evaluate(run, [[tag for tag in checks.TAGS if tag != "best-practice"], OURS])
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]
