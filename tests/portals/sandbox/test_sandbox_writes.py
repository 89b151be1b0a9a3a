"""The FHIR server to export to: it keeps what it is sent, and gives it back."""

import json

import pytest

BASE = "/sandbox/fhir-server/fhir"
FHIR = "application/fhir+json"


class Server:
    def __init__(self, client):
        self.client = client
        self.headers = {"Authorization": "Bearer sandbox-export-token"}

    def send(self, method: str, address: str, body, **headers):
        text = body if isinstance(body, str) else json.dumps(body)
        url = f"{BASE}/{address}" if address else BASE
        return getattr(self.client, method)(url, text, content_type=FHIR, headers=self.headers | headers)

    def get(self, address: str):
        url = address if address.startswith("http") else f"{BASE}/{address}"
        return self.client.get(url, headers=self.headers)

    def total(self, type_: str) -> int:
        return self.get(f"{type_}?_summary=count").json()["total"]


@pytest.fixture
def server(client):
    return Server(client)


def observation(**more) -> dict:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}} | more


def entry(method: str, url: str, resource: dict, **more) -> dict:
    return {"request": {"method": method, "url": url} | more.pop("request", {}), "resource": resource} | more


def test_nothing_goes_without_the_token(client):
    assert client.get(f"{BASE}/Observation").status_code == 401
    assert client.get(f"{BASE}/metadata").status_code == 200


def test_what_is_put_is_what_is_read_to_the_last_digit(server):
    text = (
        '{"resourceType":"Observation","id":"a","status":"final","valueQuantity":{"value":1.00,"code":"1E-7"},"x":1E-7}'
    )
    answer = server.send("put", "Observation/a", text)
    assert answer.status_code == 201
    read = server.get("Observation/a")
    assert b'"value":1.00' in read.content
    assert b'"x":1E-7' in read.content
    assert read.json()["meta"]["versionId"] == "1"
    assert read["ETag"] == answer["ETag"] == 'W/"1"'


def test_an_update_is_a_new_version(server):
    server.send("put", "Observation/a", observation(id="a"))
    answer = server.send("put", "Observation/a", observation(id="a", status="amended"))
    assert answer.status_code == 200
    assert server.get("Observation/a").json()["status"] == "amended"
    assert server.get("Observation/a").json()["meta"]["versionId"] == "2"


def test_a_post_is_given_an_id(server):
    answer = server.send("post", "Observation", observation(id="mine"))
    assert answer.status_code == 201
    assert answer.json()["id"] != "mine"
    assert server.get(f"Observation/{answer.json()['id']}").status_code == 200


def test_an_id_in_the_body_must_be_the_one_in_the_address(server):
    assert server.send("put", "Observation/a", observation(id="b")).status_code == 400
    assert server.total("Observation") == 0


def test_if_match_guards_a_version(server):
    server.send("put", "Observation/a", observation(id="a"))
    assert server.send("put", "Observation/a", observation(id="a"), **{"If-Match": 'W/"7"'}).status_code == 412
    assert server.send("put", "Observation/a", observation(id="a"), **{"If-Match": 'W/"1"'}).status_code == 200


def test_a_conditional_update_creates_then_updates_then_refuses_two_matches(server):
    known = observation(identifier=[{"system": "urn:x", "value": "1"}])
    address = "Observation?identifier=urn:x|1"
    assert server.send("put", address, known).status_code == 201
    assert server.send("put", address, known).status_code == 200
    assert server.total("Observation") == 1
    server.send("post", "Observation", known)
    assert server.send("put", address, known).status_code == 412


def test_a_conditional_create_leaves_what_is_there(server):
    known = observation(identifier=[{"system": "urn:x", "value": "1"}])
    first = server.send("post", "Observation", known, **{"If-None-Exist": "identifier=urn:x|1"})
    again = server.send("post", "Observation", known, **{"If-None-Exist": "identifier=urn:x|1"})
    assert [first.status_code, again.status_code] == [201, 200]
    assert again.json() == first.json()


def test_a_transaction_resolves_references_between_its_entries(server):
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            entry("POST", "Patient", {"resourceType": "Patient"}, fullUrl="urn:uuid:p"),
            entry("PUT", "Observation/o", observation(id="o", subject={"reference": "urn:uuid:p"})),
        ],
    }
    answer = server.send("post", "", bundle).json()
    assert answer["type"] == "transaction-response"
    assert [each["response"]["status"] for each in answer["entry"]] == ["201 Created", "201 Created"]
    patient = answer["entry"][0]["response"]["location"].split("/_history")[0]
    assert server.get("Observation/o").json()["subject"]["reference"] == patient
    assert server.get(patient).status_code == 200


def test_a_transaction_is_all_or_nothing(server):
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            entry("PUT", "Observation/o", observation(id="o")),
            entry("PUT", "Observation/bad", {"resourceType": "Condition", "id": "bad"}),
        ],
    }
    assert server.send("post", "", bundle).status_code == 400
    assert server.get("Observation/o").status_code == 404


def test_a_batch_takes_what_it_can(server):
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            entry("PUT", "Observation/bad", {"resourceType": "Condition", "id": "bad"}),
            entry("PUT", "Observation/o", observation(id="o")),
        ],
    }
    answer = server.send("post", "", bundle).json()
    assert [each["response"]["status"] for each in answer["entry"]] == ["400", "201 Created"]
    assert answer["entry"][0]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert server.get("Observation/o").status_code == 200


def test_a_bundle_past_djangos_own_limit_is_taken(server):
    resource = observation(id="long", note=[{"text": "x" * 3_000_000}])
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry("PUT", "Observation/long", resource)]}
    assert server.send("post", "", bundle).status_code == 200


@pytest.mark.parametrize(
    "body", ["not json", "[]", '{"resourceType":"Bundle","type":"searchset"}', '{"resourceType":"Bundle","type":7}']
)
def test_a_body_that_is_no_bundle_is_refused(server, body):
    assert server.send("post", "", body).status_code == 400


def test_searches_find_by_id_identifier_and_patient_page_by_page(server):
    for number in range(5):
        server.send("put", f"Observation/o{number}", observation(id=f"o{number}", subject={"reference": "Patient/p"}))
    first = server.get("Observation?patient=p&_count=3").json()
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    second = server.get(following).json()
    found = [each["resource"]["id"] for page in (first, second) for each in page["entry"]]
    assert found == ["o0", "o1", "o2", "o3", "o4"]
    assert first["total"] == 5
    assert server.get("Observation?_id=o2").json()["total"] == 1


def test_everything_can_be_wiped_between_runs(server):
    server.send("put", "Observation/a", observation(id="a"))
    assert server.client.delete(BASE, headers=server.headers).status_code == 204
    assert server.total("Observation") == 0
