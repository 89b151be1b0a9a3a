"""Operations written once and bound twice.

A resource's method builds a `Call`. Read through a client, `@operation` turns it into a method that answers
(or, with AsyncConnect, a method to await), `@listing` into one that gives Pages or AsyncPages, `@streaming` into one
that gives the answer's lines. Type checkers and editors see the parameters and the right answer for each client.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from connect_health._calls import Call
from connect_health._transports import AsyncTransport, SyncTransport
from connect_health.pages import AsyncPages, Page, Pages

P = ParamSpec("P")
T = TypeVar("T")
BuiltT = TypeVar("BuiltT")
TransportT = TypeVar("TransportT", bound=SyncTransport | AsyncTransport)


class Resource(Generic[TransportT]):
    """A group of operations, bound to a transport."""

    def __init__(self, transport: TransportT) -> None:
        self._transport = transport


class _Bindable(ABC, Generic[P, BuiltT]):
    """A method that builds a call; `_send` says what a transport makes of it."""

    def __init__(self, build: Callable[Concatenate[Any, P], BuiltT]) -> None:
        self.build = build
        self.__doc__ = build.__doc__

    def _bind(self, resource: Resource[Any] | None) -> Any:
        if resource is None:  # read from the class, by help() and its like
            return self

        @functools.wraps(self.build)
        def bound(*args: P.args, **kwargs: P.kwargs) -> Any:
            return self._send(resource._transport, self.build(resource, *args, **kwargs))

        return bound

    @abstractmethod
    def _send(self, transport: Any, call: Any) -> Any: ...


class operation(_Bindable[P, Call[T]]):
    """One call, one answer."""

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(self, resource: Resource[SyncTransport], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, resource: Resource[AsyncTransport], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, resource: Resource[Any] | None, owner: type) -> Any:
        return self._bind(resource)

    def _send(self, transport: Any, call: Any) -> Any:
        return transport.call(call)


class listing(_Bindable[P, Call[Page[T]]]):
    """A list, page by page."""

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(self, resource: Resource[SyncTransport], owner: type) -> Callable[P, Pages[T]]: ...
    @overload
    def __get__(self, resource: Resource[AsyncTransport], owner: type) -> Callable[P, AsyncPages[T]]: ...
    def __get__(self, resource: Resource[Any] | None, owner: type) -> Any:
        return self._bind(resource)

    def _send(self, transport: Any, call: Any) -> Any:
        return Pages(transport, call) if isinstance(transport, SyncTransport) else AsyncPages(transport, call)


class streaming(_Bindable[P, Call[Any]]):
    """An answer of many lines, each given as it comes."""

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(self, resource: Resource[SyncTransport], owner: type) -> Callable[P, Iterator[bytes]]: ...
    @overload
    def __get__(self, resource: Resource[AsyncTransport], owner: type) -> Callable[P, AsyncIterator[bytes]]: ...
    def __get__(self, resource: Resource[Any] | None, owner: type) -> Any:
        return self._bind(resource)

    def _send(self, transport: Any, call: Any) -> Any:
        return transport.lines(call)
