"""Which tests run on the same process when there are several."""

from xdist.scheduler import LoadScopeScheduling

SHARING = ("tests/journeys/", "tests/browser/admin/", "tests/browser/", "tests/faults/")


class TogetherScheduling(LoadScopeScheduling):
    """By file; whole folders where their tests share a stack, a browser or a database server."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """The tests of one scope run on one process, in their order."""
    return next((folder for folder in SHARING if nodeid.startswith(folder)), nodeid.split("::", 1)[0])
