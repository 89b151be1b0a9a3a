"""Searchset bundles, put together from resources' own bytes: nothing is parsed or written anew."""

import json
from collections.abc import Iterable
from urllib.parse import urlencode

from portals.sandbox.holdings import Resource
from portals.sandbox.paging import Page


def entry(base: str, resource: Resource, mode: str) -> bytes:
    """A bundle entry; `mode` is match or include."""
    head = f'{{"fullUrl":"{base}/{resource.type}/{resource.id}","resource":'.encode()
    return head + resource.body + b',"search":{"mode":"%s"}}' % mode.encode()


def outcome_entry(outcome: dict) -> bytes:
    """An OperationOutcome as a searchset carries it."""
    return b'{"resource":%s,"search":{"mode":"outcome"}}' % json.dumps(outcome).encode()


def searchset(*, total: int, links: list[tuple[str, str]], entries: Iterable[bytes]) -> bytes:
    """A Bundle of type searchset. `links` are (relation, URL) pairs."""
    listed = json.dumps([{"relation": relation, "url": url} for relation, url in links])
    head = f'{{"resourceType":"Bundle","type":"searchset","total":{total},"link":{listed}'.encode()
    joined = b",".join(entries)
    return head + (b',"entry":[' + joined + b"]}" if joined else b"}")


def self_link(path: str, page: Page) -> str:
    """What was searched for, as the server understood it."""
    if page.offset:
        return page.address(path)
    return f"{path}?{urlencode([*page.pairs, ('_count', page.count)])}"
