"""An index for each environment and process, built when first asked and again when its version moves."""

import threading
import time
from collections.abc import Callable

import structlog
from django.db import connections

from portals.directory.search import CatalogueSearch

log = structlog.get_logger(__name__)

# How long a version is believed before it is asked for again.
TRUSTED_SECONDS = 1.0
# Up to this many listings the next search waits for the new index (some tens of milliseconds); a larger one is built
# aside, while the old one still answers, and not more often than this.
REBUILT_AT_ONCE = 3000
REST_SECONDS = 30.0


class IndexKeeper:
    """`build` makes an environment's index, `version` says which one it should be of."""

    def __init__(self, build: Callable[[str], CatalogueSearch], version: Callable[[str], object]):
        self._build, self._version = build, version
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def index(self, environment: str) -> CatalogueSearch:
        """The index to search now. Only the first search of a process waits for a large one."""
        kept = self._kept.get(environment)
        if kept is None:
            return self._built(environment)
        if time.monotonic() < kept.trusted_until:
            return kept.index
        kept.trusted_until = time.monotonic() + TRUSTED_SECONDS
        if self._version(environment) == kept.version:
            return kept.index
        if len(kept.index) <= REBUILT_AT_ONCE:
            return self._rebuilt(environment)
        self._rebuild_aside(environment, kept)
        return kept.index

    def forget(self) -> None:
        """Drop every index (tests, and processes that fork)."""
        with self._lock:
            self._kept.clear()

    def _built(self, environment: str) -> CatalogueSearch:
        with self._lock:
            kept = self._kept.get(environment)
            return kept.index if kept else self._renew(environment)

    def _rebuilt(self, environment: str) -> CatalogueSearch:
        with self._lock:
            return self._renew(environment)

    def _renew(self, environment: str) -> CatalogueSearch:
        """The version is read before the rows: a change in between is found at the next look, never lost."""
        started, version = time.monotonic(), self._version(environment)
        index = self._build(environment)
        self._kept[environment] = _Kept(index, version)
        log.info("catalogue.indexed", environment=environment, listings=len(index), version=version,
                 seconds=round(time.monotonic() - started, 2))  # fmt: skip
        return index

    def _rebuild_aside(self, environment: str, kept: "_Kept") -> None:
        if kept.rebuilding or time.monotonic() < kept.rests_until:
            return
        kept.rebuilding = True
        threading.Thread(target=self._rebuild, args=(environment, kept), name="catalogue-index", daemon=True).start()

    def _rebuild(self, environment: str, kept: "_Kept") -> None:
        try:
            self._rebuilt(environment)
        finally:
            kept.rebuilding = False
            connections.close_all()


class _Kept:
    """An index, the version it is of, and when to look again."""

    __slots__ = ("index", "rebuilding", "rests_until", "trusted_until", "version")

    def __init__(self, index: CatalogueSearch, version: object):
        now = time.monotonic()
        self.index, self.version, self.rebuilding = index, version, False
        self.trusted_until, self.rests_until = now + TRUSTED_SECONDS, now + REST_SECONDS
