"""What a run fetches: one URL at a time, with its tries. Searches and references are targets."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from connect import outbound
from pulls.calls import ACCEPT, Answer
from pulls.models import Pull

TRIES = 3
BUSY_ANSWERS = 20


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

    @abstractmethod
    def read(self, answer: Answer) -> Callable[[], None]:
        """Judge the answer and find what is next; the returned call stores what there is to store."""
