"""Which next links are followed (reference 4.7, 7.6)."""

import pytest

from pulls.fhir import links
from pulls.fhir.links import LinkRefused, step_over

BASE = "https://portal.example/fhir/r4"
HERE = f"{BASE}/Observation?patient=1"


def follow(link: str, base: str = BASE, seen=(), *, here: str = HERE, allowed=()) -> tuple[str | None, str | None]:
    """The URL or the reason of the refusal."""
    try:
        return links.follow(link, here=here, base=base, seen=seen, allowed=allowed), None
    except LinkRefused as refused:
        return None, refused.reason


def test_a_link_to_the_same_origin_is_followed_verbatim():
    url = f"{BASE}/Observation?patient=1&_page=a%2Fb|c"
    assert follow(url, BASE, here=HERE) == (url, None)
    assert follow("https://PORTAL.example:443/pages/2", BASE)[0] == "https://PORTAL.example:443/pages/2"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("?_page=2", f"{BASE}/Observation?_page=2"),
        ("Observation?_page=2", f"{BASE}/Observation?_page=2"),
        ("/fhir/r4?_page=2", f"{BASE}?_page=2"),
        ("//portal.example/fhir/r4?_page=2", f"{BASE}?_page=2"),
    ],
)
def test_pull_next_relative(link, url):
    assert follow(link, BASE, here=HERE) == (url, None)


@pytest.mark.parametrize(
    "link",
    ["https://other.example/fhir/r4?page=2", "https://portal.example:8443/r4", "https://portal.example.evil.example/",
     "//other.example/x", "http://other.example/x"],
)  # fmt: skip
def test_pull_next_other_host(link):
    assert follow(link, BASE, here=HERE) == (None, "other_host")


def test_an_origin_that_an_operator_allows_is_followed():
    link = "https://pages.example/2"
    assert follow(link, BASE, allowed=["https://pages.example"]) == (link, None)


def test_pull_next_http_downgrade():
    assert follow("http://portal.example/fhir/r4?page=2", BASE, here=HERE) == (None, "downgrade")


def test_pull_next_loop():
    assert follow(HERE, BASE, here=HERE) == (None, "loop")
    assert follow(f"{HERE}&_page=1#x", BASE, {f"{HERE}&_page=1"}, here=f"{HERE}&_page=2") == (None, "loop")


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "file:///etc/passwd", "https://user:pw@portal.example/", "https://[bad/", "https://h:x/"],
)
def test_links_that_are_no_links_are_refused(link):
    assert follow(link, BASE, here=HERE) == (None, "bad_url")


@pytest.mark.parametrize(
    ("url", "after"),
    [
        (f"{BASE}/Observation?patient=1&page=2", f"{BASE}/Observation?patient=1&page=3"),
        (f"{BASE}?_getpages=ab&_getpagesoffset=100&_count=50", f"{BASE}?_getpages=ab&_getpagesoffset=150&_count=50"),
        (f"{BASE}/Observation?_page=bm90IGEgbnVtYmVy", None),
        (f"{BASE}/Observation?patient=12&_count=50", None),
    ],
)
def test_a_page_that_cannot_be_had_is_stepped_over_where_pages_are_counted(url, after):
    assert step_over(url, page_size=50) == after
