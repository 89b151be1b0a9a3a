"""Which `next` link may be followed, and how to step over a page that cannot be had."""

import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from pulls.fhir.references import origin_of

PAGE_NUMBERS = {"page", "_page", "pageNumber", "_pageNumber"}
OFFSETS = {"_offset", "offset", "_getpagesoffset", "startIndex", "_skip", "skip", "start"}
NUMBER = re.compile(r"[0-9]{1,9}\Z")


class Followed(NamedTuple):
    """Either the URL to ask for next, or why there is none: bad_url, other_host, downgrade, loop."""

    url: str | None
    refusal: str | None = None


def follow(
    next_url: str, base: str, seen: Collection[str] = (), *, here: str | None = None, allowed: Collection[str] = ()
) -> Followed:
    """What to do with a `next` link: an absolute URL to ask for, or a refusal.

    It must have the FHIR base's origin, or one of `allowed` (such as "https://pages.example.org"), for the token goes
    along. `here` is the URL of the page that holds the link, against which a relative one is resolved (else against the
    base); `seen` are the URLs this search has asked for already.
    """
    try:
        url = urljoin(here or base.rstrip("/") + "/", next_url.strip()).partition("#")[0]
        origin, home = origin_of(url), origin_of(base)
        trusted = {home, *map(origin_of, allowed)}
    except ValueError:
        return Followed(None, "bad_url")
    if origin[0] not in ("http", "https") or not origin[1] or not url.isprintable() or "@" in urlsplit(url).netloc:
        return Followed(None, "bad_url")
    if origin not in trusted:
        is_downgrade = (origin[0], home[0]) == ("http", "https") and origin[1] == home[1]
        return Followed(None, "downgrade" if is_downgrade else "other_host")
    return Followed(None, "loop") if url in seen or url == here else Followed(url)


def step_over(url: str, *, page_size: int) -> str | None:
    """The URL of the page after the one at `url`, where its query counts pages or resources; None where it does not."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    for position, (name, value) in enumerate(query):
        if NUMBER.match(value) and (name in PAGE_NUMBERS or (name in OFFSETS and page_size)):
            step = 1 if name in PAGE_NUMBERS else page_size
            query[position] = (name, str(int(value) + step))
            return urlunsplit(parts._replace(query=urlencode(query)))
    return None
