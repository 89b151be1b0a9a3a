"""What can go wrong at a destination: it is away (try again), or it says no (somebody must look)."""


class StoreError(Exception):
    """`reason` is a slug of ours; no address, credential or content is ever in it."""

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None):
        self.reason, self.retry_after_seconds = reason, retry_after_seconds
        super().__init__(reason)


class StoreUnavailable(StoreError):
    """The destination is down, slow or busy: go on later from where we are."""


class StoreRefused(StoreError):
    """The destination refuses: wrong credentials, no such bucket, an address that may not be called."""


LASTING = {"tls", "address_not_allowed", "redirect", "bad_url", "insecure", "bad_header"}


def not_called(reason: str) -> StoreError:
    """What a fault of connect.outbound means for a destination: wait for it, or have somebody look."""
    return StoreRefused(reason) if reason in LASTING else StoreUnavailable(reason)
