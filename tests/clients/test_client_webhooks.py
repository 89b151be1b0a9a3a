"""What the Python client believes: webhooks by either signature, and what a return URL says."""

import json
import time
from datetime import UTC, datetime

import pytest
import time_machine
from standardwebhooks.webhooks import Webhook

from connect_health import SignatureInvalid, parse_return_url
from connect_health.resources.webhooks import Webhooks
from connect_health.webhooks import construct_event, sign
from webhooks import signing

VECTOR_SECRET = "whsec_01J9YR9N3X4VZ6P2K5RH7M3LMPabcdef0123456789abcdef0123456789"
VECTOR_BODY = b'{"id":"evt_test","object":"event"}'
VECTOR_SIGNATURE = "2bd2924f7208f294e68e153699bfd8ec4db38874f04bcad54be3a1eebf2a3053"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
BODY = json.dumps(
    {"id": "evt_1", "type": "connection.active", "sequence": 3, "data": {"object": {"id": "conn_1"}}}
).encode()


def delivered(body: bytes = BODY, secrets=(SECRET,), *, at: float | None = None, only: str = "") -> dict[str, str]:
    """The headers that the server itself would send."""
    headers = signing.headers([*secrets], "evt_1", int(at or time.time()), body)
    return {name: value for name, value in headers.items() if name.lower().startswith(only)}


@time_machine.travel(datetime(2024, 4, 25, 16, 0, 5, tzinfo=UTC), tick=False)
def test_the_contracts_vector_is_believed():
    headers = {"Medblocks-Signature": f"t=1714060800,v1={VECTOR_SIGNATURE}"}
    assert construct_event(VECTOR_BODY, headers, VECTOR_SECRET).id == "evt_test"


def test_signed_bytes_that_are_no_event_are_not_believed():
    with pytest.raises(SignatureInvalid, match="no event"):
        construct_event(b"[]", delivered(b"[]"), SECRET)


@pytest.mark.parametrize("only", ["medblocks", "webhook", ""])
def test_each_signature_suffices(only):
    event = construct_event(BODY, delivered(only=only), SECRET)
    assert (event.id, event.type, event.sequence, event.object) == ("evt_1", "connection.active", 3, {"id": "conn_1"})


@pytest.mark.parametrize("only", ["medblocks", "webhook"])
def test_header_names_may_be_written_any_way(only):
    headers = {name.title(): value for name, value in delivered(only=only).items()}
    assert construct_event(BODY.decode(), headers, SECRET).id == "evt_1"


@pytest.mark.parametrize("only", ["medblocks", "webhook"])
@pytest.mark.parametrize(("secrets", "known"), [((OTHER, SECRET), SECRET), ((SECRET,), [OTHER, SECRET])])
def test_a_rotation_is_survived_from_either_side(only, secrets, known):
    assert construct_event(BODY, delivered(secrets=secrets, only=only), known).id == "evt_1"


@pytest.mark.parametrize("only", ["medblocks", "webhook"])
def test_another_secret_or_other_bytes_are_not_believed(only):
    with pytest.raises(SignatureInvalid, match="wrong"):
        construct_event(BODY, delivered(only=only), OTHER)
    with pytest.raises(SignatureInvalid, match="wrong"):
        construct_event(BODY.replace(b"conn_1", b"conn_2"), delivered(only=only), SECRET)


def test_a_standard_signature_of_another_message_is_not_believed():
    with pytest.raises(SignatureInvalid):
        construct_event(BODY, delivered(only="webhook") | {"webhook-id": "evt_2"}, SECRET)


@pytest.mark.parametrize("only", ["medblocks", "webhook"])
@pytest.mark.parametrize("seconds_off", [-301, 301])
def test_an_old_signature_is_not_believed_unless_tolerated(only, seconds_off):
    with time_machine.travel(datetime(2026, 4, 25, tzinfo=UTC), tick=False):
        headers = delivered(at=time.time() + seconds_off, only=only)
        with pytest.raises(SignatureInvalid, match="too old"):
            construct_event(BODY, headers, SECRET)
        assert construct_event(BODY, headers, SECRET, tolerance_seconds=302).id == "evt_1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Medblocks-Signature": ""},
        {"Medblocks-Signature": "t=soon,v1=00"},
        {"Medblocks-Signature": "v1=00"},
        {"Medblocks-Signature": "t=1714060800"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "", "webhook-id": "evt_1", "webhook-timestamp": "1714060800"},
        {"webhook-signature": "v1,ü", "webhook-id": "evt_1", "webhook-timestamp": "1714060800"},
    ],
)
def test_headers_that_say_nothing_are_not_believed(headers):
    with pytest.raises(SignatureInvalid):
        construct_event(BODY, headers, SECRET)


def test_an_empty_secret_believes_nothing():
    with pytest.raises(SignatureInvalid):
        construct_event(BODY, delivered(), [])


def test_what_the_client_signs_the_standard_library_believes():
    headers = sign(BODY, message_id="evt_1", timestamp=int(time.time()), secret=SECRET)
    assert Webhook(SECRET).verify(BODY, headers)["id"] == "evt_1"
    assert headers == delivered()


def test_the_clients_webhooks_offer_it_too():
    assert Webhooks.construct_event(BODY, delivered(), SECRET).id == "evt_1"


# The return -----------------------------------------------------------------------------------------
def test_a_picker_return_says_who_and_which_flow():
    told = parse_return_url("https://app.test/back?mine=1&patient_id=p%2F1&patient_flow_id=pf_1#top")
    assert (told.patient_id, told.patient_flow_id, told.success, told.connection_id) == ("p/1", "pf_1", None, None)


def test_a_direct_return_says_what_came_of_it():
    granted = parse_return_url("?patient_id=p-1&patient_flow_id=pf_1&success=true&connection_id=fhirsrc_1")
    assert (granted.success, granted.connection_id, granted.error) == (True, "fhirsrc_1", None)
    refused = parse_return_url("patient_id=p-1&patient_flow_id=pf_1&success=false&error=user_denied")
    assert (refused.success, refused.error) == (False, "user_denied")


@pytest.mark.parametrize("url", ["https://app.test/back", "?patient_id=p-1", "?patient_id=&patient_flow_id=pf_1",
                                 "?patient_id=p&patient_flow_id=pf_1&success=maybe"])  # fmt: skip
def test_another_url_is_no_return(url):
    with pytest.raises(ValueError, match="No return of a patient flow"):
        parse_return_url(url)
