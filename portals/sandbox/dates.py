"""FHIR date search (R4 search.html#date): a value is an interval as wide as its precision; prefixes compare them."""

import re
from datetime import UTC, datetime, timedelta

_VALUE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d+)?)?)?)?)?(?P<zone>Z|[+-]\d\d:\d\d)?"
)
PREFIXES = {"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"}
EVER = float("inf")
Interval = tuple[float, float]


def interval(text: str) -> Interval:
    """`2024-03` → the half-open span of that month, as seconds of the epoch. Raises ValueError when not a FHIR date."""
    match = _VALUE.fullmatch(text)
    if not match:
        raise ValueError(f"not a FHIR date: {text!r}")
    part = match.groupdict()
    start = datetime(
        int(part["year"]),
        int(part["month"] or 1),
        int(part["day"] or 1),
        int(part["hour"] or 0),
        int(part["minute"] or 0),
        min(int(part["second"] or 0), 59),
        tzinfo=UTC,
    )
    offset = _offset(part["zone"])
    begins = start.timestamp() - offset + float(part["fraction"] or 0)
    return begins, begins + _width(start, part)


def _offset(zone: str | None) -> int:
    if not zone or zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
    return -seconds if zone[0] == "-" else seconds


def _width(start: datetime, part: dict) -> float:
    if part["fraction"]:
        return 0.001
    if part["second"]:
        return 1
    if part["minute"]:
        return 60
    if part["day"]:
        return 86_400
    if part["month"]:
        following = (start + timedelta(days=32)).replace(day=1)
        return (following - start).total_seconds()
    return (start.replace(year=start.year + 1) - start).total_seconds()


def of_element(value) -> Interval | None:
    """The interval of a resource's date, dateTime, instant or Period; None when it has none that can be read."""
    try:
        if isinstance(value, str):
            return interval(value)
        if isinstance(value, dict) and (value.get("start") or value.get("end")):
            begins = interval(value["start"])[0] if value.get("start") else -EVER
            ends = interval(value["end"])[1] if value.get("end") else EVER
            return begins, ends
    except (ValueError, TypeError):
        return None
    return None


def matches(held: Interval, asked: str) -> bool:
    """Whether a held interval satisfies a search value such as `ge2024-01-01`. Raises ValueError when unreadable."""
    prefix = asked[:2] if asked[:2] in PREFIXES else "eq"
    low, high = interval(asked[2:] if asked[:2] in PREFIXES else asked)
    begins, ends = held
    return {
        "eq": low <= begins and ends <= high,
        "ne": not (low <= begins and ends <= high),
        "gt": ends > high,
        "lt": begins < low,
        "ge": ends > low,
        "le": begins < high,
        "sa": begins >= high,
        "eb": ends <= low,
    }[prefix]
