"""What every hosted page forbids browsers (issue 3, point 7): nothing inline, no frames, no referrer, no keeping."""

import re
from html.parser import HTMLParser

import pytest
from django.http import HttpResponse

from patientflows import browsers
from patientflows.rendering import page
from tests.patientflows.visitor import Visitor, path_of


@pytest.fixture
def pages(visitor, open_flow, source) -> dict[str, object]:
    """An answer of each kind of page, in both languages' worth of state."""
    flow = open_flow(patient_name="Ann Otherwise", patient_email="ann@example.org")
    path = path_of(flow["url"])
    asked = visitor.leave(flow, source.pk)
    elsewhere = Visitor().come_back(asked)
    connected = visitor.connect(open_flow(), source.pk)["Location"]
    mine = re.search(r'href="http://testserver(/my/[^"]+)"', visitor.get(connected).content.decode())[1]
    found = {
        "start": path, "search": f"{path}/search?q=mayo", "portal": f"{path}/portal/{source.pk}?again=1",
        "missing": f"{path}/missing", "connected": connected, "mine": mine, "unknown": "/c/never",
        "guess": "/my/never", "stale": "/oauth/callback/none?state=x&code=y", "qr": f"{path}/qr.svg",
    }  # fmt: skip
    return {name: visitor.get(url) for name, url in found.items()} | {"elsewhere": elsewhere}


def policy_of(answer) -> dict[str, list[str]]:
    parts = [part.split() for part in answer["Content-Security-Policy"].split(";") if part.strip()]
    return {name: values for name, *values in parts}


def test_the_content_policy_allows_our_own_files_and_nothing_else(pages):
    for name, answer in pages.items():
        policy = policy_of(answer)
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"], name
        assert policy["script-src"] == policy["style-src"] == policy["img-src"] == ["'self'"], name
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert "nonce" not in answer["Content-Security-Policy"]


def test_forms_end_here_unless_they_lead_to_a_portal_or_the_app(pages):
    assert policy_of(pages["missing"])["form-action"] == ["'self'"]
    assert policy_of(pages["mine"])["form-action"] == ["'self'"]
    assert policy_of(pages["portal"])["form-action"] == ["'self'", "https:", "http:"]


def test_no_frame_no_referrer_no_sniffing_no_keeping(pages):
    for name, answer in pages.items():
        assert answer["X-Frame-Options"] == "DENY", name
        assert answer["Referrer-Policy"] == "no-referrer", name
        assert answer["X-Content-Type-Options"] == "nosniff", name
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert "no-store" in answer["Cache-Control"], name


class Inline(HTMLParser):
    """Collects what a strict policy would block, and every address of another site that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.faults, self.fetched, self.in_script = [], [], False

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.faults += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.faults.append(tag)
        if tag in ("img", "script", "iframe", "source"):
            self.fetched.append(given.get("src", ""))
        if tag == "link":
            self.fetched.append(given.get("href", ""))


def test_nothing_is_inline_and_nothing_is_fetched_from_elsewhere(pages):
    for name, answer in pages.items():
        looked = Inline()
        looked.feed(answer.content.decode())
        assert looked.faults == [], name
        assert [url for url in looked.fetched if not url.startswith("/")] == [], name


def test_no_page_names_the_patient_and_no_title_the_portal(pages):
    for name, answer in pages.items():
        page = answer.content.decode()
        assert "Otherwise" not in page, name
        assert "ann@example.org" not in page, name
        title = re.search("<title>(.*?)</title>", page)
        assert title is None or "Mayo" not in title[1], name


def test_logs_hold_no_search_no_token_no_name(visitor, open_flow, source, caplog, capfd):
    caplog.set_level("DEBUG")
    flow = open_flow(patient_name="Ann Otherwise")
    path = path_of(flow["url"])
    visitor.get(f"{path}/search?q=oncology+of+reno")
    visitor.post(f"{path}/missing", {"name": "Reno Oncology"})
    asked = visitor.leave(flow, source.pk)
    visitor.come_back(asked, code="code-not-to-be-logged")
    written = caplog.text + "".join(capfd.readouterr())
    for secret in (
        path.rpartition("/")[2],
        asked["state"],
        "code-not-to-be-logged",
        "oncology",
        "Oncology",
        "Otherwise",
    ):
        assert secret not in written


@pytest.mark.parametrize("step", ["done", "code", "language", "missing"])
def test_every_form_needs_its_token(open_flow, step):
    strict = Visitor(enforce_csrf_checks=True)
    answer = strict.post(f"{path_of(open_flow()['url'])}/{step}", {"code": "AAAAAA", "name": "x", "language": "es"})
    assert answer.status_code == 403
    assert "Please try that once more" in answer.content.decode()


@pytest.mark.parametrize(
    ("environment", "ends"), [("production", ["'self'", "https:"]), ("sandbox", ["'self'", "https:", "http:"])]
)
def test_behind_https_only_the_sandbox_leads_to_plain_http(rf, settings, organization, environment, ends):
    settings.HTTPS = True
    answer = page(rf.get("/"), "unknown", organization=organization, environment=environment, leaves=True)
    assert answer._csp_update["form-action"] == ends


def test_behind_https_the_browsers_cookie_is_bound_to_the_host(settings):
    settings.HTTPS = True
    answer = HttpResponse()
    browsers.remember(answer, "secret")
    cookie = answer.cookies["__Host-connect_browser"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
