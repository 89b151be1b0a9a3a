"""How far a call may go, as data: times in seconds, sizes in bytes."""

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of one kind of call.

    total_seconds bounds everything from name resolution to the last byte of the body, redirects included.
    max_body_bytes counts after decompression. truncate: keep that much and hang up instead of failing; an answer
    cut short by time counts too, because its status has been heard. redirects: how many are followed, for GET and
    HEAD; only within the origin, unless cross_origin_redirects (credentials are then left behind). idle_seconds:
    how long a kept connection may have rested before it is not trusted with a request any more.
    """

    name: str
    connect_seconds: float
    read_seconds: float
    total_seconds: float
    max_body_bytes: int
    truncate: bool = False
    redirects: int = 0
    cross_origin_redirects: bool = False
    idle_seconds: float = 20.0


PORTAL = Policy("portal", 5, 30, 90, 32 * MIB, redirects=3)
PORTAL_BINARY = Policy("portal_binary", 5, 30, 300, 128 * MIB, redirects=5, cross_origin_redirects=True)
# A token request must not meet a connection the server is just closing: "was it sent?" has to have an answer.
PORTAL_TOKEN = Policy("portal_token", 5, 20, 30, 256 * KIB, idle_seconds=1)
PROBE = Policy("probe", 3, 8, 12, 8 * MIB, redirects=2)
# A load of an export is written in one call.
BUCKET = Policy("bucket", 5, 60, 240, 8 * MIB)
# Logos lie on hosts of their own, behind redirects.
PICTURE = Policy("picture", 3, 8, 12, 512 * KIB, redirects=3, cross_origin_redirects=True)
WEBHOOK = Policy("webhook", 3, 5, 5, 4 * KIB, truncate=True, idle_seconds=1)
