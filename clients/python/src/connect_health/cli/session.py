"""What the commands share: a client, made when first needed, and two consoles."""

import time
from collections.abc import Iterator
from functools import cached_property

import click
from rich.console import Console

from connect_health.clients import Connect

POLL_SECONDS = 1.0


class Session:
    """`out` is for what was asked for, `told` (standard error) for what is told along the way."""

    def __init__(self, api_key: str, base_url: str) -> None:
        self.api_key, self.base_url = api_key, base_url.rstrip("/")
        self.out, self.told = Console(highlight=False), Console(stderr=True, highlight=False)

    @cached_property
    def client(self) -> Connect:
        try:
            return Connect(self.api_key, self.base_url)
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()


pass_session = click.make_pass_decorator(Session)


def ticks(every_seconds: float = POLL_SECONDS) -> Iterator[None]:
    """At once, and then again and again after a wait."""
    while True:
        yield
        time.sleep(every_seconds)
