"""After the server cut every connection the next caller is served at once, however many dead ones lie in the pool."""

import time

import pytest
from django.db import connection, connections

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL's pool")


def others(count: int) -> list:
    return [connections.create_connection("default") for _ in range(count)]


def pid_of(wrapper) -> int:
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


@pytest.mark.django_db
def test_a_pool_of_dead_connections_is_emptied_at_the_first():
    rested = others(6)
    pids = [pid_of(wrapper) for wrapper in rested]
    for wrapper in rested:
        wrapper.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", [pids])
    time.sleep(0.2)
    (caller,) = others(1)
    began = time.monotonic()
    assert pid_of(caller) not in pids
    assert time.monotonic() - began < 3
    caller.close()
