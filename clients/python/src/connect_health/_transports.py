"""The two ways of taking a conversation's steps. They hold no decision: see `_conversations`."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import anyio
import httpx

from connect_health._calls import Call
from connect_health._conversations import (
    Conversation,
    Done,
    Outcome,
    Read,
    Send,
    Sleep,
    Step,
    Terms,
    converse,
    go_on,
    open_stream,
)
from connect_health._lines import Lines
from connect_health.errors import NoAnswer

T = TypeVar("T")


class SyncTransport:
    """Takes the steps one after the other in the calling thread."""

    def __init__(self, terms: Terms, http: httpx.Client) -> None:
        self.terms, self.http = terms, http

    def call(self, call: Call[T]) -> T:
        return self._hold(converse(self.terms, call))

    def lines(self, call: Call[Any]) -> Iterator[bytes]:
        """The answer's lines as they come, without their line ends."""
        lines, response = Lines(), self._hold(open_stream(self.terms, call))
        try:
            for chunk in response.iter_bytes():
                yield from lines.feed(chunk)
            yield from lines.rest()
        except httpx.TransportError as error:
            raise NoAnswer(f"The answer broke off: {type(error).__name__}") from error
        finally:
            response.close()

    def _hold(self, conversation: Conversation[T]) -> T:
        step = go_on(conversation, None)
        while not isinstance(step, Done):
            step = go_on(conversation, self._take(step))
        return step.answer

    def _take(self, step: Step) -> Outcome:
        match step:
            case Send(request, stream):
                try:
                    return self.http.send(request, stream=stream)
                except httpx.TransportError as error:
                    return error
            case Read(response):
                response.read()
            case Sleep(seconds):
                time.sleep(seconds)
        return None


class AsyncTransport:
    """Takes the steps without blocking, under asyncio or trio."""

    def __init__(self, terms: Terms, http: httpx.AsyncClient) -> None:
        self.terms, self.http = terms, http

    async def call(self, call: Call[T]) -> T:
        return await self._hold(converse(self.terms, call))

    async def lines(self, call: Call[Any]) -> AsyncIterator[bytes]:
        """The answer's lines as they come, without their line ends."""
        lines, response = Lines(), await self._hold(open_stream(self.terms, call))
        try:
            async for chunk in response.aiter_bytes():
                for line in lines.feed(chunk):
                    yield line
            for line in lines.rest():
                yield line
        except httpx.TransportError as error:
            raise NoAnswer(f"The answer broke off: {type(error).__name__}") from error
        finally:
            await response.aclose()

    async def _hold(self, conversation: Conversation[T]) -> T:
        step = go_on(conversation, None)
        while not isinstance(step, Done):
            step = go_on(conversation, await self._take(step))
        return step.answer

    async def _take(self, step: Step) -> Outcome:
        match step:
            case Send(request, stream):
                try:
                    return await self.http.send(request, stream=stream)
                except httpx.TransportError as error:
                    return error
            case Read(response):
                await response.aread()
            case Sleep(seconds):
                await anyio.sleep(seconds)
        return None
