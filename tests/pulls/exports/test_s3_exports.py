"""Exports to a real S3 server process (moto's)."""

import gzip
import io
import json
import os
import secrets
import socket
import subprocess
import sys
import time

import boto3
import pytest
import requests
from botocore.config import Config

from connect.audit.models import Entry
from pulls.exports import actions
from pulls.exports.models import Destination, Export
from pulls.exports.run import run_export
from pulls.exports.stores import S3Store, StoreRefused
from tests.factories import STAFF
from tests.journeys.stack import free_port

pytestmark = pytest.mark.django_db
SECRET = "s3-secret-of-theirs"


@pytest.fixture(scope="session")
def s3_url():
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"S3_IGNORE_SUBDOMAIN_BUCKETNAME": "1"},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            requests.get(f"{url}/moto-api/", timeout=5)
            break
        except OSError:
            time.sleep(0.1)
    yield url
    server.terminate()
    server.wait(10)


@pytest.fixture
def bucket(s3_url):
    """A client of the server with a bucket of its own."""
    client = boto3.client(
        "s3", endpoint_url=s3_url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key=SECRET,
        config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip
    client.name = f"records-{secrets.token_hex(4)}"
    client.create_bucket(Bucket=client.name)
    return client


def keys_in(bucket) -> list[str]:
    return [each["Key"] for each in bucket.list_objects_v2(Bucket=bucket.name).get("Contents", [])]


def body_of(s3_url: str, bucket: str, **more) -> dict:
    return {
        "name": "Lake", "kind": "s3", "settings": {"bucket": bucket, "endpoint_url": s3_url, "prefix": "connect", **more},
        "credentials": {"access_key_id": "key", "secret_access_key": SECRET},
    }  # fmt: skip


def test_everything_goes_to_the_bucket_manifest_last(api, s3_url, bucket, pulled, export):
    pulled("a", "b")
    answer = api.create("/export-destinations", body_of(s3_url, bucket.name))
    assert answer.status_code == 200, answer.content
    run = export()
    assert (run.status, run.resources) == ("completed", 3)
    names = [key.removeprefix(f"connect/{run.folder}/") for key in keys_in(bucket)]
    assert sorted(names) == ["Observation-1.ndjson.gz", "Patient-1.ndjson.gz", "manifest.json"]
    held = bucket.get_object(Bucket=bucket.name, Key=f"connect/{run.folder}/Observation-1.ndjson.gz")["Body"].read()
    assert [json.loads(line)["id"] for line in gzip.decompress(held).splitlines()] == ["o-0", "o-1"]


def test_credentials_are_sealed_and_never_shown(api, s3_url, bucket):
    answer = api.create("/export-destinations", body_of(s3_url, bucket.name))
    destination = Destination.objects.get()
    shown = api.get(f"/export-destinations/{destination.pk}")
    assert SECRET not in answer.content.decode() + shown.content.decode()
    assert SECRET.encode() not in bytes(Destination.objects.values_list("sealed_credentials", flat=True).get())
    assert SECRET not in json.dumps(list(Entry.objects.values_list("detail", flat=True)))
    assert destination.credentials["secret_access_key"] == SECRET


def test_a_bucket_that_is_not_there_is_refused_when_saved(api, s3_url):
    answer = api.create("/export-destinations", body_of(s3_url, "no-such-bucket"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "storage_error")
    assert "no_such_bucket" in answer.json()["error"]["message"]
    assert not Destination.objects.exists()


def test_a_server_that_is_not_there_is_refused_when_saved(api):
    answer = api.create("/export-destinations", body_of(f"http://127.0.0.1:{free_port()}", "b"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "storage_error")


def test_addresses_inside_are_refused_where_the_installation_closes_them(api, settings):
    settings.OUTBOUND_ALLOW_PRIVATE = settings.OUTBOUND_ALLOW_INSECURE_HTTP = False
    answer = api.create("/export-destinations", body_of("https://169.254.169.254", "b"))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "settings.endpoint_url")


def resolving(monkeypatch, *answers: str) -> list[str]:
    """DNS gives these addresses for `lake.example`, one after another; the list fills with what was asked."""
    asked, given, real = [], list(answers), socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host != "lake.example":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        address = given.pop(0) if len(given) > 1 else given[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.fixture
def lake(s3_url, bucket):
    """A factory: the store of a bucket whose server is called `lake.example`."""

    def lake() -> S3Store:
        settings = {"bucket": bucket.name, "endpoint_url": f"http://lake.example:{s3_url.rpartition(':')[2]}"}
        return S3Store(settings, {"access_key_id": "key", "secret_access_key": SECRET})

    return lake


def test_what_dns_answers_between_the_check_and_the_call_is_judged_too(monkeypatch, settings, lake, bucket):
    """A name that was public when it was looked at and leads inside when it is called (DNS rebinding)."""
    settings.OUTBOUND_ALLOW_PRIVATE = False
    asked = resolving(monkeypatch, "93.184.216.34", "127.0.0.1")
    store = lake()
    with pytest.raises(StoreRefused, match="address_not_allowed"):
        store.put("x.ndjson", io.BytesIO(b"{}"), content_type="application/json")
    assert len(asked) == 2
    assert keys_in(bucket) == []


def test_one_answer_is_judged_and_connected_to(monkeypatch, lake, bucket):
    asked = resolving(monkeypatch, "127.0.0.1")
    store = lake()
    asked.clear()
    store.put("x.ndjson", io.BytesIO(b"{}"), content_type="application/json")
    assert (asked, keys_in(bucket)) == (["lake.example"], ["x.ndjson"])


def test_a_bucket_that_goes_away_fails_the_run_and_a_retry_goes_on(api, s3_url, bucket, pulled, export):
    pulled("a", "b")
    api.create("/export-destinations", body_of(s3_url, bucket.name))
    for key in keys_in(bucket):
        bucket.delete_object(Bucket=bucket.name, Key=key)
    bucket.delete_bucket(Bucket=bucket.name)
    run = export()
    assert (run.status, run.error) == ("failed", "no_such_bucket")
    bucket.create_bucket(Bucket=bucket.name)
    again = actions.retry_export(export=run, by=STAFF)
    run_export(again.pk)
    assert Export.objects.get(pk=again.pk).resources == 3
    actions.test_destination(destination=again.destination, by=STAFF)
    assert Entry.objects.filter(action="export_destination.tested").count() == 1
