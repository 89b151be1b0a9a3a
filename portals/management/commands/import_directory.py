"""`manage.py import_directory epic --url https://…`, `… lantern --file endpoints.csv.gz`: tell what changes, do it."""

import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from connect.audit.actions import SYSTEM
from connect.organizations.models import Environment
from connect.outbound import OutboundError
from portals.directory.diff import Diff, DropRefused
from portals.directory.entries import DirectoryUnreadable
from portals.directory.fetching import FetchFailed
from portals.directory.importing import apply, compare
from portals.directory.plausible import PlausibleDataMissing, plausible_entries
from portals.directory.readers import Format
from portals.directory.updating import Update, directory_named, update

SHOWN = 20


class Command(BaseCommand):
    help = "Import a published endpoint list (Brands bundle, vendor bundle, CSV, JSON) and report what changed."

    def add_arguments(self, parser):
        parser.add_argument("name", help="The directory's name: what it brought it may change and withdraw.")
        parser.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION)
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--file", type=Path, help="A list on disk; gzip is seen by itself.")
        source.add_argument("--url", default="", help="Where the list is published; remembered for the next time.")
        source.add_argument("--plausible", type=int, metavar="N", help="N plausible providers for a demonstration.")
        parser.add_argument("--base-url", default="", help="Base URL of plausible providers; {slug} is each one's own.")
        parser.add_argument("--format", choices=list(Format), help="Default: seen by how the list begins.")
        parser.add_argument("--vendor", default="", help="The vendor of every entry, when the list is one vendor's.")
        parser.add_argument("--dry-run", action="store_true", help="Report only.")
        parser.add_argument("--force", action="store_true", help="Apply even when more than 20%% would vanish.")
        parser.add_argument("--prefer", action="store_true", help="Overrule other directories: a server's own bundle.")
        parser.add_argument("--json", action="store_true", help="Print the counts as JSON.")

    def handle(self, *, name, environment, plausible, **options):
        try:
            done = (
                self._plausible(name, environment, plausible, options)
                if plausible
                else self._list(name, environment, options)
            )
        except (DirectoryUnreadable, DropRefused, FetchFailed, PlausibleDataMissing) as error:
            raise CommandError(str(error)) from error
        except OutboundError as error:
            raise CommandError(f"The list's server cannot be reached: {error.detail}") from error
        self.stdout.write(json.dumps(done.counts, indent=2) if options["json"] else report(done))

    def _list(self, name, environment, options) -> Update:
        directory = directory_named(environment, name, url=options["url"], vendor=options["vendor"])
        chosen = {key: options[key] for key in ("dry_run", "force", "prefer")}
        chosen["format"] = Format(options["format"]) if options["format"] else None
        if options["file"] is None:
            if not directory.url:
                raise CommandError("Say --file or --url: this directory has no URL yet.")
            return update(directory=directory, by=SYSTEM, **chosen)
        with options["file"].open("rb") as file:
            return update(directory=directory, by=SYSTEM, file=file, **chosen)

    def _plausible(self, name, environment, count, options) -> Update:
        urls = {"base_url": options["base_url"]} if options["base_url"] else {}
        target = {"environment": environment, "directory": name}
        changes = compare(**target, items=plausible_entries(limit=count, **urls))
        if not options["dry_run"]:
            apply(**target, changes=changes, by=SYSTEM, force=options["force"])
        return Update(changes, applied=not options["dry_run"])


def report(done: Update) -> str:
    """What a person reads before and after an import."""
    if done.changes is None:
        return "Nothing new: this is the list that was imported last."
    counts = done.counts
    lines = ["Applied." if done.applied else "Not applied: this is what would change."]
    lines += [f"  {kind}: {_numbers(counts[kind])}" for kind in ("sources", "listings")]
    lines.append(f"  entries said twice: {counts['merged']}; share of the list that vanished: {counts['drop']:.1%}")
    for title, found in (("left out", done.changes.bad), ("warnings", done.changes.warnings)):
        lines += _told(title, found, counts["bad" if title == "left out" else "warnings"])
    return "\n".join(lines + _withdrawn(done.changes))


def _told(title: str, found: list, by_reason: dict[str, int]) -> list[str]:
    if not found:
        return []
    lines = [f"  {title}: {_numbers(by_reason)}"]
    lines += [f"    {item.place}: {item.reason} {item.detail}".rstrip() for item in found[:SHOWN]]
    return lines + ([f"    … and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])


def _numbers(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.items())


def _withdrawn(changes: Diff) -> list[str]:
    gone = changes.sources_withdrawn
    return [f"  withdrawn: {url}" for url in gone[:SHOWN]] + (
        [f"    … and {len(gone) - SHOWN} more"] if len(gone) > SHOWN else []
    )
