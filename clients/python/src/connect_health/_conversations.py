"""How a call is carried out, told once for the synchronous and the asynchronous client.

A conversation is a generator: it yields steps, a transport takes them, and what it returns is the answer. Everything
that is decided (headers, idempotency, retries, errors) is decided here; transports only send and sleep.
"""

import uuid
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import httpx
import msgspec

from connect_health._calls import Call
from connect_health._retrying import Retries, retry_after_seconds
from connect_health.errors import ApiError, NoAnswer, UnreadableAnswer, api_error

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this, and say what came of it; `stream` leaves the answer's body unread."""

    request: httpx.Request
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """Read the body of an answer that was left unread."""

    response: httpx.Response


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


Step: TypeAlias = Send | Read | Sleep
Outcome: TypeAlias = httpx.Response | httpx.TransportError | None
Conversation: TypeAlias = Generator[Step, Outcome, T]


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The conversation is over."""

    answer: T


def go_on(conversation: Conversation[T], outcome: Outcome) -> Step | Done[T]:
    """Tell the conversation what came of its last step (None at its start); its next step, or its answer."""
    try:
        return conversation.send(outcome)
    except StopIteration as end:
        return Done(end.value)


@dataclass(frozen=True, slots=True)
class Terms:
    """What every call of a client shares. `float_hook` makes numbers of a record's decimals (float, Decimal, str)."""

    base_url: str
    headers: dict[str, str]
    retries: Retries
    float_hook: type[Any]

    def request(self, call: Call[Any]) -> httpx.Request:
        headers = dict(self.headers)
        if call.method == "POST":
            headers["Idempotency-Key"] = call.idempotency_key or str(uuid.uuid4())
        content = None
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(call.body)
        return httpx.Request(
            call.method, self.base_url + call.path, params=call.query, headers=headers, content=content
        )


def converse(terms: Terms, call: Call[T]) -> Conversation[T]:
    """Send the call until its outcome stands; returns the answer, or raises ApiError, NoAnswer, UnreadableAnswer."""
    response = yield from _settled(terms, Send(terms.request(call)))
    return _read(terms, call.answer, response)


def open_stream(terms: Terms, call: Call[Any]) -> Conversation[httpx.Response]:
    """As `converse`, for an answer whose body is to be read bit by bit; the caller closes it."""
    return (yield from _settled(terms, Send(terms.request(call), stream=True)))


def _settled(terms: Terms, step: Send) -> Conversation[httpx.Response]:
    tried = 0
    while True:
        tried += 1
        outcome = yield step
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return outcome
        if isinstance(outcome, httpx.Response):
            yield Read(outcome)
        assert outcome is not None  # noqa: S101 - a transport answers Send with one or the other
        wait = terms.retries.wait_seconds(tried, outcome)
        if wait is None:
            raise _error(terms, outcome)
        yield Sleep(wait)


def _read(terms: Terms, answer: type[T], response: httpx.Response) -> T:
    try:
        return msgspec.json.Decoder(answer, float_hook=terms.float_hook).decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableAnswer(f"{response.request.method} {response.request.url.path}: {error}") from error


def _error(terms: Terms, outcome: httpx.Response | httpx.TransportError) -> NoAnswer | ApiError | UnreadableAnswer:
    if isinstance(outcome, httpx.TransportError):
        return NoAnswer(f"{terms.base_url} does not answer ({type(outcome).__name__}: {outcome})")
    try:
        envelope = msgspec.json.decode(outcome.content)["error"]
        return api_error(outcome.status_code, envelope, retry_after_seconds=retry_after_seconds(outcome))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        kind = outcome.headers.get("content-type", "no content type")
        return UnreadableAnswer(f"{outcome.status_code} ({kind}) is no answer of the API: check the base URL")
