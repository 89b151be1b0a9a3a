"""The link (contract 3.1): what opening it does, and what it shows when its time is over."""

from datetime import timedelta

import pytest
import time_machine
from django.core import signing
from django.db import connection as database
from django.utils import timezone

from connect.crypto import token_hash
from patientflows.expire import expire_due
from patientflows.models import Attempt, PatientFlow
from tests.patientflows.visitor import path_of


def token_of(flow: dict) -> str:
    return flow["url"].rpartition("/")[2]


def test_the_token_is_128_random_bits_found_by_hash_and_sealed_at_rest(open_flow):
    tokens = {token_of(open_flow()) for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(signing.b64_decode(token.encode())) == 16 for token in tokens)
    with database.cursor() as cursor:
        cursor.execute("SELECT token_hash, token FROM patientflows_patientflow")
        for hashed, sealed in cursor.fetchall():
            assert hashed in {token_hash(token) for token in tokens}
            assert not any(token in bytes(str(sealed), "utf-8").decode() for token in tokens)


@pytest.mark.parametrize("mode", ["picker", "direct"])
def test_opening_changes_nothing_that_is_told(visitor, open_flow, source, api, told, mode):
    flow = open_flow(**({"connection_id": source.pk} if mode == "direct" else {}))
    before = api.get(f"/patient-flows/{flow['id']}").json()
    for _ in range(3):
        visitor.open(flow)
    visitor.head(path_of(flow["url"]))
    assert api.get(f"/patient-flows/{flow['id']}").json() == before
    assert told() == []


@pytest.mark.parametrize("header", ["Sec-Purpose", "Purpose"])
def test_a_fetch_that_nobody_asked_for_begins_nothing(visitor, open_flow, source, header):
    flow = open_flow(connection_id=source.pk)
    assert visitor.open(flow, headers={header: "prefetch;prerender"}).status_code == 503
    assert visitor.head(path_of(flow["url"])).status_code == 200
    assert not Attempt.objects.exists()
    assert PatientFlow.objects.get().opened_at is None


def test_a_used_link_is_kind_and_leads_back(visitor, open_flow, hospital):
    flow = open_flow()
    visitor.post(f"{path_of(flow['url'])}/done")
    answer = visitor.open(flow)
    assert answer.status_code == 200
    assert "You are done here" in answer.content.decode()
    assert f'href="{hospital.return_url}&amp;patient_id=p-1' in answer.content.decode()


def test_a_link_past_its_time_is_gone_and_leads_back(visitor, open_flow, told):
    flow = open_flow(expires_in=60)
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        for _ in ("before the sweep", "after it"):
            for page in ("", "/search?q=mayo", "/missing", "/qr.svg"):
                answer = visitor.get(path_of(flow["url"]) + page)
                assert answer.status_code == 410
                assert "Return to Trials" in answer.content.decode()
            expire_due()
        assert visitor.post(f"{path_of(flow['url'])}/done").status_code == 410
    assert told() == ["patient_flow.expired"]


def test_a_link_ended_by_the_app_is_gone(visitor, open_flow, api, told):
    flow = open_flow()
    api.create(f"/patient-flows/{flow['id']}/expire")
    assert visitor.open(flow).status_code == 410
    assert told() == ["patient_flow.expired"]


@pytest.mark.parametrize("path", ["/c/never-made", "/c/never-made/search", "/c/never-made/done", "/c/x/y/z/nowhere"])
def test_an_unknown_link_is_not_found_and_says_so_to_people(client, db, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "We do not know this link" in answer.content.decode()


def test_a_link_speaks_the_browsers_language_until_one_is_chosen(visitor, open_flow):
    flow = open_flow()
    spanish = {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}
    assert visitor.open(flow, headers=spanish)["Content-Language"] == "es"
    assert visitor.open(flow)["Content-Language"] == "en"
    chosen = visitor.post(
        f"{path_of(flow['url'])}/language", {"language": "es", "next": f"{path_of(flow['url'])}/missing"}
    )
    assert chosen["Location"] == f"{path_of(flow['url'])}/missing"
    assert visitor.open(flow)["Content-Language"] == "es"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/admin/", "/c/another/search"])
def test_choosing_a_language_leads_nowhere_else(visitor, open_flow, elsewhere):
    path = path_of(open_flow()["url"])
    assert visitor.post(f"{path}/language", {"language": "es", "next": elsewhere})["Location"] == path


def test_the_qr_code_is_the_link(visitor, open_flow):
    answer = visitor.get(f"{path_of(open_flow()['url'])}/qr.svg")
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer.content.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')
