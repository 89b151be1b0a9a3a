"""Filters that stay fast on big tables: time as a range of ids, organisations and environments as equality."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from connect import ids
from connect.operations.tenancy import organizations_of
from connect.organizations.models import Environment, Organization

WINDOWS = {"1h": ("1 hour", timedelta(hours=1)), "24h": ("24 hours", timedelta(days=1)),
           "7d": ("7 days", timedelta(days=7)), "30d": ("30 days", timedelta(days=30))}  # fmt: skip


def made_within(prefix: str) -> type[DropdownFilter]:
    """A filter on when a row was made, by its id of this prefix: ids sort by time, so it is a range of the key."""

    class MadeWithin(DropdownFilter):
        title = "made within"
        parameter_name = "within"

        def lookups(self, request, model_admin):
            return [(key, words) for key, (words, _) in WINDOWS.items()]

        def queryset(self, request, queryset):
            if self.value() not in WINDOWS:
                return queryset
            return queryset.filter(pk__gte=ids.oldest_id(prefix, timezone.now() - WINDOWS[self.value()][1]))

    return MadeWithin


def happened_within(column: str) -> type[DropdownFilter]:
    """The same over an indexed column of time."""

    class HappenedWithin(DropdownFilter):
        title = "within"
        parameter_name = "within"

        def lookups(self, request, model_admin):
            return [(key, words) for key, (words, _) in WINDOWS.items()]

        def queryset(self, request, queryset):
            if self.value() not in WINDOWS:
                return queryset
            return queryset.filter(**{f"{column}__gte": timezone.now() - WINDOWS[self.value()][1]})

    return HappenedWithin


def of_organization(path: str = "organization_id") -> type[DropdownFilter]:
    """By organisation; not offered to staff who see one only."""

    class OfOrganization(DropdownFilter):
        title = "organisation"
        parameter_name = "organization"

        def lookups(self, request, model_admin):
            rows = Organization.objects.order_by("name")
            seen = organizations_of(request.user)
            return list((rows if seen is None else rows.filter(pk__in=seen)).values_list("pk", "name")[:500])

        def queryset(self, request, queryset):
            return queryset.filter(**{path: self.value()}) if self.value() else queryset

    return OfOrganization


class OfEnvironment(DropdownFilter):
    """For rows that have an environment themselves."""

    title = "environment"
    parameter_name = "environment"

    def lookups(self, request, model_admin):
        return Environment.choices

    def queryset(self, request, queryset):
        return queryset.filter(environment=self.value()) if self.value() else queryset


def choice(column: str) -> tuple[str, type]:
    """A column with choices, as a dropdown."""
    return (column, ChoicesDropdownFilter)


def by_patient_id(user, term: str) -> Q:
    """Rows that carry `patient_id` as text, beginning with organisation and environment as the index does."""
    seen = organizations_of(user)
    owners = seen if seen is not None else Organization.objects.values_list("pk", flat=True)
    return Q(organization__in=list(owners), environment__in=Environment.values, patient_id=term)


def of_environment(path: str) -> type[DropdownFilter]:
    """For rows that have it by another row."""

    class OfEnvironmentBy(OfEnvironment):
        def queryset(self, request, queryset):
            return queryset.filter(**{path: self.value()}) if self.value() else queryset

    return OfEnvironmentBy


def oldest(prefix: str, age: timedelta) -> str:
    """The first id of this prefix that can be this young."""
    return ids.oldest_id(prefix, timezone.now() - age)
