"""Lists that turn their own pages."""

from collections.abc import AsyncIterator, Iterator
from typing import Generic, TypeVar

from msgspec import Struct, field

from connect_health._calls import Call
from connect_health._transports import AsyncTransport, SyncTransport

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """One page. `next_cursor` continues the list, also in another process."""

    data: list[T] = field(default_factory=list)
    has_more: bool = False
    next_cursor: str | None = None
    previous_cursor: str | None = None


class Pages(Generic[T]):
    """Iterate for every item of a list, `pages()` for whole pages, `page()` for the first alone. Asks when iterated."""

    def __init__(self, transport: SyncTransport, call: Call[Page[T]]) -> None:
        self._transport, self._call = transport, call

    def page(self) -> Page[T]:
        return self._transport.call(self._call)

    def pages(self) -> Iterator[Page[T]]:
        call: Call[Page[T]] | None = self._call
        while call is not None:
            page = self._transport.call(call)
            yield page
            call = following(call, page)

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.data


class AsyncPages(Generic[T]):
    """As Pages, for `async for`."""

    def __init__(self, transport: AsyncTransport, call: Call[Page[T]]) -> None:
        self._transport, self._call = transport, call

    async def page(self) -> Page[T]:
        return await self._transport.call(self._call)

    async def pages(self) -> AsyncIterator[Page[T]]:
        call: Call[Page[T]] | None = self._call
        while call is not None:
            page = await self._transport.call(call)
            yield page
            call = following(call, page)

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.data:
                yield item


def following(call: Call[Page[T]], page: Page[T]) -> Call[Page[T]] | None:
    """The call for the next page, or None at the list's end."""
    return call.at(page.next_cursor) if page.has_more and page.next_cursor else None
