"""`kill -9` of the worker between send and settle: the event is sent again under its id, and told to be delivered once."""

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection

from webhooks.models import Delivery, Event

ROOT = Path(__file__).resolve().parents[2]
WORK = "import django; django.setup(); from webhooks.deliver import drain; drain()"


def database_url() -> str:
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"


@pytest.fixture
def worker():
    """A worker process on this test's database."""
    environment = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url(), "DEMO": "1",
        "SECRET_KEY": django_settings.SECRET_KEY, "SEALING_KEYS": ",".join(django_settings.SEALING_KEYS),
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", WORK], cwd=ROOT, env=environment)
    yield process
    process.kill()
    process.wait()


@pytest.mark.django_db(transaction=True)
def test_an_event_whose_worker_was_killed_is_sent_again_under_its_id(
    tenant, endpoint, receiver, happen, deliver, request, time_machine
):
    arrived, answer_now = threading.Event(), threading.Event()

    def answer(received):
        arrived.set()
        answer_now.wait(10)
        return 200

    receiver.answer = answer
    event = happen()
    worker = request.getfixturevalue("worker")
    assert arrived.wait(60), "the worker sent it"
    worker.kill()
    worker.wait()
    answer_now.set()
    event.refresh_from_db()
    assert (event.status, event.attempts, event.delivered_at) == ("pending", 0, None)
    assert event.leased_until is not None

    deliver()
    assert len(receiver.received) == 1, "its lease keeps others away"
    time_machine.move_to(event.leased_until + timedelta(seconds=1))
    deliver()
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == event.pk
    assert first.body == second.body
    event.refresh_from_db()
    assert (event.status, event.attempts) == ("delivered", 1)
    assert Delivery.objects.filter(event=event).count() == 1
    assert Event.objects.count() == 1
