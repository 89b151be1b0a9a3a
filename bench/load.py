"""A load from keep-alive connections: as fast as answers come, or at a given rate."""

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Request = tuple[str, str, bytes | None, dict[str, str]]


@dataclass
class Load:
    """What a run of requests brought. Times in seconds."""

    elapsed: float
    times: list[float] = field(default_factory=list)
    failed: int = 0
    bytes: int = 0

    @property
    def per_second(self) -> float:
        return len(self.times) / self.elapsed if self.elapsed else 0.0

    def percentile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def run(base: str, make: Callable[[int], Request], *, count: int, threads: int = 4, per_second: float = 0) -> Load:
    """Send `count` requests, `make(number)` each; at `per_second` where that is given, else without pause."""
    numbers, lock = iter(range(count)), threading.Lock()
    load = Load(0.0)
    began = time.perf_counter()

    def work() -> None:
        parts = urlsplit(base)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                connection.close()
                return
            if per_second:
                time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            one(connection, number)

    def one(connection, number: int) -> None:
        method, path, body, headers = make(number)
        started = time.perf_counter()
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        size = len(answer.read())
        took = time.perf_counter() - started
        with lock:
            load.times.append(took)
            load.bytes += size
            load.failed += answer.status >= 400

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    load.elapsed = time.perf_counter() - began
    return load


def alternating(
    base: str, ours: Callable, bare: Callable, *, count: int, rounds: int = 3, **options
) -> tuple[float, float]:
    """Requests a second of both, in turns, so that a noisy neighbour disturbs both alike. Raises on failed requests."""
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    for round_number in range(rounds):
        for name, make in (("ours", ours), ("bare", bare)):
            offset = round_number * count
            load = run(base, lambda number, make=make, offset=offset: make(offset + number), count=count, **options)
            if load.failed:
                raise RuntimeError(f"{load.failed} of {count} requests failed ({name})")
            rates[name].append(load.per_second)
    return max(rates["ours"]), max(rates["bare"])
