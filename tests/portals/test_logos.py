"""Portals' logos: fetched by us through the one way out, made anew, and shown only when we have them."""

import io
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from PIL import Image

from portals import fetch_logos
from portals.logos import logos_of
from portals.models import Logo
from tests.portals.portal_double import Answer, PortalDouble


@pytest.fixture
def host(db):
    with PortalDouble() as server:
        yield server


def picture(size=(400, 200)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#0a6640").save(out, "JPEG")
    return out.getvalue()


def serve(host, body: bytes, status: int = 200) -> str:
    host.on("/logo", Answer(status, body=body, headers={"Content-Type": "image/jpeg"}))
    return f"{host.url}/logo"


def test_a_logo_is_fetched_once_asked_for_and_then_shown(host, client):
    url = serve(host, picture())
    assert logos_of([url, url, ""]) == {}
    assert logos_of([url]) == {}
    assert fetch_logos.fetch_due() == 1
    shown = logos_of([url])
    answer = client.get(f"/logos/{shown[url]}.png")
    with Image.open(io.BytesIO(answer.content)) as logo:
        assert (logo.format, logo.size) == ("PNG", (128, 64))
    assert answer["Content-Type"] == "image/png"
    assert len(host.to("/logo")) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<svg xmlns='http://www.w3.org/2000/svg'/>", 200), (b"gone", 404), (b"x" * 600_000, 200), (b"", 200)],
    ids=["svg", "404", "too large", "empty"],
)
def test_what_is_no_picture_is_not_shown_and_is_tried_ever_more_rarely(host, client, body, status):
    url = serve(host, body, status)
    logos_of([url])
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for pause in (*Logo.PAUSES, Logo.FRESH_FOR, Logo.FRESH_FOR):
            assert fetch_logos.fetch_due() == 1
            assert fetch_logos.fetch_due() == 0
            clock.shift(pause + timedelta(seconds=1))
    assert logos_of([url]) == {}
    assert client.get(f"/logos/{Logo.id_of(url)}.png").status_code == 404


def test_a_logo_we_have_stays_when_its_host_is_down_later(host):
    url = serve(host, picture())
    logos_of([url])
    fetch_logos.fetch_due()
    serve(host, b"", 503)
    with time_machine.travel(timezone.now() + Logo.FRESH_FOR + timedelta(minutes=1)):
        assert fetch_logos.fetch_due() == 1
        assert url in logos_of([url])


def test_of_two_workers_one_fetches(host):
    url = serve(host, picture())
    logos_of([url])
    one, other = Logo.objects.get(), Logo.objects.get()
    assert one.claim(fetch_logos.LEASE)
    assert not other.claim(fetch_logos.LEASE)


def test_an_address_inside_is_not_fetched(host, settings):
    settings.OUTBOUND_ALLOW_PRIVATE = False
    url = serve(host, picture())
    logos_of([url])
    fetch_logos.fetch_due()
    assert host.to("/logo") == []
    assert Logo.objects.get().failures == 1
