"""What an operator chose to look at: a window of time, an environment, an organisation, a portal."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.utils import timezone

from connect.operations.tallies import DAY, HOUR, Period, Scope, start_of_hour
from connect.operations.tenancy import organizations_of
from connect.organizations.models import Environment, Organization
from portals.models import Source


@dataclass(frozen=True)
class Window:
    """A span that ends now, cut into `bars` of `step`."""

    key: str
    title: str
    step: timedelta
    bars: int
    by_day: bool = False

    def starts(self, now: datetime) -> list[datetime]:
        """When each bar begins, the oldest first."""
        newest = self._begin(now)
        return [newest - self.step * back for back in range(self.bars - 1, -1, -1)]

    def _begin(self, now: datetime) -> datetime:
        """Of the bar that is still growing."""
        if self.by_day:
            return now.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.step < HOUR:
            return now.replace(second=0, microsecond=0) - timedelta(minutes=now.minute % (self.step.seconds // 60))
        return start_of_hour(now) - timedelta(hours=now.hour % (self.step.seconds // 3600))


WINDOWS = {
    window.key: window
    for window in (
        Window("1h", "1 hour", timedelta(minutes=5), 13),
        Window("24h", "24 hours", HOUR, 25),
        Window("7d", "7 days", timedelta(hours=6), 29),
        Window("30d", "30 days", DAY, 31, by_day=True),
    )
}


@dataclass(frozen=True)
class Choice:
    """The chosen window and the scope the viewer may see of it."""

    window: Window
    scope: Scope
    organization_id: str = ""

    @classmethod
    def of(cls, request) -> "Choice":
        """From the query; what is unknown or not the viewer's is as if not chosen."""
        asked = request.GET
        seen = organizations_of(request.user)
        organization_id = asked.get("organization", "")
        if organization_id and (seen is None or organization_id in seen):
            seen = frozenset([organization_id])
        else:
            organization_id = ""
        environment = asked.get("environment", "")
        scope = Scope(
            organizations=seen,
            environment=environment if environment in Environment.values else "",
            source_id=asked.get("portal", ""),
        )
        return cls(WINDOWS.get(asked.get("window", ""), WINDOWS["24h"]), scope, organization_id)

    @property
    def chosen(self) -> dict[str, str]:
        """As query parameters of the overview."""
        values = {"window": self.window.key, "environment": self.scope.environment, "organization": self.organization_id,
                  "portal": self.scope.source_id}  # fmt: skip
        return {key: value for key, value in values.items() if value}

    def query(self, **other) -> str:
        return urlencode({key: value for key, value in (self.chosen | other).items() if value})

    def filters(self) -> dict[str, str]:
        """The same as filters of a list whose rows have environment and organisation."""
        return {"environment": self.scope.environment, "organization": self.organization_id}

    def period(self, now: datetime | None = None) -> Period:
        now = now or timezone.now()
        return Period(self.window.starts(now)[0], now, self.scope, by_day=self.window.by_day)

    def narrow(self, rows, organization: str = "organization_id", environment: str = "environment", source: str = ""):
        """Live rows of the same scope; the paths lead to their columns."""
        if self.scope.organizations is not None:
            rows = rows.filter(**{f"{organization}__in": self.scope.organizations})
        if self.scope.environment:
            rows = rows.filter(**{environment: self.scope.environment})
        if self.scope.source_id and source:
            rows = rows.filter(**{source: self.scope.source_id})
        return rows


def offered(request, choice: Choice) -> dict:
    """What the page offers to choose from."""
    seen = organizations_of(request.user)
    organizations = Organization.objects.order_by("name")
    organizations = organizations if seen is None else organizations.filter(pk__in=seen)
    portal = Source.objects.filter(pk=choice.scope.source_id).only("name").first() if choice.scope.source_id else None
    return {
        "windows": [(key, window.title, choice.query(window=key)) for key, window in WINDOWS.items()],
        "environments": Environment.choices, "organizations": organizations.values_list("pk", "name")[:200],
        "portal": portal, "without_portal": choice.query(portal=""),
    }  # fmt: skip
