"""Bring a directory up to date, from where it is published or from a file: what the command and the admin call."""

from dataclasses import dataclass
from typing import BinaryIO

from django.conf import settings

from connect.audit.actions import Actor
from portals.directory.addresses import AddressPolicy
from portals.directory.diff import Diff
from portals.directory.fetching import digest, fetched
from portals.directory.importing import apply, compare
from portals.directory.readers import Format, read
from portals.models import Directory


@dataclass(frozen=True, slots=True)
class Update:
    """What an update found: `changes` is None when the list is the one imported last."""

    changes: Diff | None
    applied: bool = False

    @property
    def counts(self) -> dict:
        return self.changes.counts() if self.changes else {}


def address_policy() -> AddressPolicy:
    """Plain http and inside addresses only where the settings let outgoing calls reach them too."""
    return AddressPolicy(settings.OUTBOUND_ALLOW_INSECURE_HTTP, settings.OUTBOUND_ALLOW_PRIVATE)


def directory_named(environment: str, name: str, **defaults) -> Directory:
    """The directory's row, made when it is new; given defaults (`url`, `vendor`) overrule what it holds."""
    directory, _ = Directory.objects.update_or_create(
        environment=environment, name=name, defaults={key: value for key, value in defaults.items() if value}
    )
    return directory


def update(
    *,
    directory: Directory,
    by: Actor,
    file: BinaryIO | None = None,
    etag: str = "",
    format: Format | None = None,
    dry_run: bool = False,
    force: bool = False,
    prefer: bool = False,
) -> Update:
    """Import `file`, or the list at the directory's URL. `dry_run` only tells what would change. `etag`: what the server
    that `file` came from calls it.

    An unchanged list is not read again unless `force`. Raises DirectoryUnreadable and DropRefused (the catalogue stays
    as it was), FetchFailed, outbound.OutboundError.
    """
    options = {"directory": directory, "by": by, "format": format, "dry_run": dry_run, "force": force, "prefer": prefer}
    if file is not None:
        return _update_from(file, etag=etag, sha256=digest(file), **options)
    with fetched(directory.url, etag="" if force else directory.etag) as answer:
        if answer is None:
            return Update(None)
        return _update_from(answer.file, etag=answer.etag, sha256=answer.sha256, **options)


def _update_from(file: BinaryIO, *, directory, by, format, dry_run, force, prefer, etag, sha256) -> Update:
    if sha256 == directory.sha256 and not force and not dry_run:
        return Update(None)
    target = {"environment": directory.environment, "directory": directory.name}
    items = read(file, format=format, vendor=directory.vendor, policy=address_policy())
    changes = compare(**target, items=items, prefer=prefer)
    if dry_run:
        return Update(changes)
    apply(**target, changes=changes, by=by, force=force)
    directory.remember(etag=etag, sha256=sha256, report=changes.counts())
    return Update(changes, applied=True)
