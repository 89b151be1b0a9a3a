"""What a run fetches: one URL after the other, with its tries. Searches and references are targets."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from connect import outbound
from pulls import calls
from pulls.calls import ACCEPT, Answer
from pulls.models import Pull
from pulls.store import Arrived

TRIES = 3
BUSY_ANSWERS = 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer with the URL that was asked, and what the thread that fetched it has read from it already."""

    url: str
    answer: Answer
    content: object = None


class Target(ABC):
    """The next thing to GET, and what to do with the answer."""

    def __init__(self, pull: Pull, url: str, *, accept: str = ACCEPT, policy: outbound.Policy = outbound.PORTAL):
        self.pull, self.url, self.accept, self.policy = pull, url, accept, policy
        self.tries = 0
        self.waits = 0
        self.token_version = 0
        self.was_unauthorized = False
        self.has_more = False
        self.siblings: list[Target] = []

    def may_try_again(self) -> bool:
        """Count a failure; False when there were enough of them."""
        self.tries += 1
        return self.tries <= TRIES

    def may_wait(self) -> bool:
        """Count a "busy"; False when this very URL has said it too often, whatever others were answered."""
        self.waits += 1
        return self.waits <= BUSY_ANSWERS

    def fetch(self, token: str) -> list[Fetched]:
        """Ask for the URL, in a thread: nothing here may touch the database."""
        return [Fetched(self.url, calls.get(self.url, token, accept=self.accept, policy=self.policy))]

    @abstractmethod
    def read(self, fetched: Fetched) -> Arrived | Callable[[], None]:
        """Judge an answer and find what is next: what there is to store, or a call that notes what became of it."""
