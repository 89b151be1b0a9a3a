"""The admin of every app, in one place: its pages link in every direction and act on every app, and imports go down only."""

from connect.operations.admin import (  # noqa: F401
    alerts,
    audit,
    connections,
    directories,
    exports,
    flows,
    organizations,
    patients,
    people,
    portals,
    pulls,
    records,
    registrations,
    webhooks,
)
