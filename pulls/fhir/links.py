"""Which `next` link may be followed, and how to step over a page that cannot be had."""

import re
from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from pulls.fhir.references import origin_of

PAGE_NUMBERS = {"page", "_page", "pageNumber", "_pageNumber"}
OFFSETS = {"_offset", "offset", "_getpagesoffset", "startIndex", "_skip", "skip", "start"}
NUMBER = re.compile(r"[0-9]{1,9}\Z")


class LinkRefused(ValueError):
    """A link that is not followed. `reason`: bad_url, other_host, downgrade, loop."""

    def __init__(self, reason: str):
        self.reason = reason
        super().__init__(reason)


def follow(link: str, *, here: str, base: str, seen: Collection[str] = (), allowed: Collection[str] = ()) -> str:
    """The absolute URL of a next link found in the page at `here`; raises LinkRefused.

    It must have the FHIR base's origin, or one of `allowed` (such as "https://pages.example.org"), for the token goes
    along. `seen` are the URLs this search has asked for already.
    """
    try:
        url = urljoin(here, link.strip()).partition("#")[0]
        origin, home = origin_of(url), origin_of(base)
        trusted = {home, *map(origin_of, allowed)}
    except ValueError:
        raise LinkRefused("bad_url") from None
    if origin[0] not in ("http", "https") or not origin[1] or not url.isprintable() or "@" in urlsplit(url).netloc:
        raise LinkRefused("bad_url")
    if origin not in trusted:
        is_downgrade = (origin[0], home[0]) == ("http", "https") and origin[1] == home[1]
        raise LinkRefused("downgrade" if is_downgrade else "other_host")
    if url in seen or url == here:
        raise LinkRefused("loop")
    return url


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
