"""Finding exports that are due and free."""

from django.core.cache import cache
from django.db import close_old_connections
from django.utils import timezone

from pulls.exports.models import Export
from pulls.exports.run import run_export

BATCH = 50
OFFER_SECONDS = 30


def due_exports() -> list[str]:
    """Ids, the longest due first; each is offered twice a minute at most."""
    ids = Export.due(timezone.now()).order_by("due_at").values_list("pk", flat=True)[:BATCH]
    return [export_id for export_id in ids if cache.add(f"export-offered:{export_id}", 1, timeout=OFFER_SECONDS)]


def run_one(export_id: str) -> None:
    """A worker's doorway; whatever goes wrong, the lease runs out and the next sweep finds the run."""
    try:
        run_export(export_id)
    finally:
        close_old_connections()
