"""The laptop's broker: a worker never meets half a message."""

import threading

import pytest
from kombu import Connection, Producer
from kombu.transport import resolve_transport

from connect import file_broker

file_broker.install()


@pytest.fixture
def broker(tmp_path):
    options = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path), "control_folder": str(tmp_path / "c")}
    with Connection("filesystem://localhost", transport_options=options) as connection:
        yield connection


def test_it_is_what_the_url_means():
    assert resolve_transport("filesystem") is file_broker.Transport


def test_it_delivers_every_message_whole_while_others_are_being_written(broker):
    got, wanted = [], 300

    def publish():
        producer = Producer(broker.clone().channel())
        for number in range(wanted):
            producer.publish({"number": number}, routing_key="flows", serializer="json")

    queue = broker.SimpleQueue("flows")
    writer = threading.Thread(target=publish)
    writer.start()
    while len(got) < wanted:
        message = queue.get(timeout=5)
        got.append(message.payload["number"])
        message.ack()
    writer.join()
    assert sorted(got) == list(range(wanted))


def test_it_passes_over_half_a_message_of_a_process_that_was_killed(broker, tmp_path):
    queue = broker.SimpleQueue("pulls")
    (tmp_path / "0_half.pulls.msg").write_text('{"body": ')
    queue.put({"number": 1})
    assert queue.get(timeout=5).payload == {"number": 1}
