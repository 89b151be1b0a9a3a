"""What an import would change: told before it is done, and refused when a list looks cut off."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields

from portals.directory.entries import BadEntry, Warning
from portals.directory.merging import Catalogue, Listed, ListedSource

# A list that lost more than this share of what it had is taken for damaged (smart-fhir.md 3.2, rule 6).
GREATEST_DROP = 0.20


class DropRefused(Exception):
    """The list lost so much that it is more likely cut off than true; `force` applies it all the same."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalogue as it is, as far as one directory goes.

    `sources`: by base URL, those this directory brought and still offers. `listings`: this directory's own, by key.
    `listed_elsewhere`: base URLs that another directory lists too: they are not withdrawn with this one's listings, and
    what this directory says of them does not overrule the other.
    """

    sources: Mapping[str, ListedSource] = field(default_factory=dict)
    listings: Mapping[tuple, Listed] = field(default_factory=dict)
    listed_elsewhere: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SourceChange:
    """A source of which the directory now says something else, and in which fields."""

    source: ListedSource
    changed: tuple[str, ...]


@dataclass(slots=True)
class Diff:
    """The difference between a snapshot and a list, ready to be read by a person and applied by a program."""

    sources_added: list[ListedSource] = field(default_factory=list)
    sources_changed: list[SourceChange] = field(default_factory=list)
    sources_withdrawn: list[str] = field(default_factory=list)
    sources_handed_over: list[str] = field(default_factory=list)
    sources_unchanged: int = 0
    listings_added: list[Listed] = field(default_factory=list)
    listings_changed: list[Listed] = field(default_factory=list)
    listings_withdrawn: list[tuple] = field(default_factory=list)
    listings_unchanged: int = 0
    bad: list[BadEntry] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    merged: int = 0
    drop: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Nothing to apply."""
        return not (
            self.sources_added or self.sources_changed or self.sources_withdrawn
            or self.sources_handed_over or self.listings_added or self.listings_changed or self.listings_withdrawn
        )  # fmt: skip

    def check(self) -> None:
        """Raises DropRefused when more of the directory would vanish than can be believed (brand-truncated-refused)."""
        if self.drop > GREATEST_DROP:
            raise DropRefused(
                f"The list lost {self.drop:.0%} of its entries; more than {GREATEST_DROP:.0%} is refused unless forced."
            )

    def counts(self) -> dict[str, object]:
        """The report in numbers."""
        return {
            "sources": {
                "added": len(self.sources_added), "changed": len(self.sources_changed),
                "withdrawn": len(self.sources_withdrawn), "handed_over": len(self.sources_handed_over),
                "unchanged": self.sources_unchanged,
            },
            "listings": {
                "added": len(self.listings_added), "changed": len(self.listings_changed),
                "withdrawn": len(self.listings_withdrawn), "unchanged": self.listings_unchanged,
            },
            "merged": self.merged, "bad": _by_reason(self.bad), "warnings": _by_reason(self.warnings),
            "drop": round(self.drop, 4),
        }  # fmt: skip


def diff(snapshot: Snapshot, catalogue: Catalogue) -> Diff:
    """Compare what is with what a list says. Changes nothing; call `check` before applying."""
    found = Diff(bad=catalogue.bad, warnings=catalogue.warnings, merged=catalogue.merged)
    _compare_sources(snapshot, catalogue, found)
    _compare_listings(snapshot, catalogue, found)
    found.drop = max(
        _share(len(found.listings_withdrawn), len(snapshot.listings)),
        _share(sum(url not in catalogue.sources for url in snapshot.sources), len(snapshot.sources)),
    )
    return found


def _compare_sources(snapshot: Snapshot, catalogue: Catalogue, found: Diff) -> None:
    for url, source in catalogue.sources.items():
        known = snapshot.sources.get(url)
        if known is None:
            if url not in snapshot.listed_elsewhere:
                found.sources_added.append(source)
        elif known == source:
            found.sources_unchanged += 1
        else:
            changed = tuple(f.name for f in fields(source) if getattr(source, f.name) != getattr(known, f.name))
            found.sources_changed.append(SourceChange(source, changed))
    gone = snapshot.sources.keys() - catalogue.sources.keys()
    elsewhere = set(snapshot.listed_elsewhere)
    found.sources_withdrawn, found.sources_handed_over = sorted(gone - elsewhere), sorted(gone & elsewhere)


def _compare_listings(snapshot: Snapshot, catalogue: Catalogue, found: Diff) -> None:
    for key, listing in catalogue.listings.items():
        known = snapshot.listings.get(key)
        if known is None:
            found.listings_added.append(listing)
        elif known == listing:
            found.listings_unchanged += 1
        else:
            found.listings_changed.append(listing)
    found.listings_withdrawn = sorted(snapshot.listings.keys() - catalogue.listings.keys())


def _by_reason(items: list[BadEntry] | list[Warning]) -> dict[str, int]:
    return dict(Counter(str(item.reason) for item in items).most_common())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
