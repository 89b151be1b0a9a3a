"""What the Picker offers: the recommended sources, and what a search finds."""

from patientflows.models import PatientFlow
from portals.directory import catalogue
from portals.models import Source

RESULTS = 20


def recommended_choices(flow: PatientFlow) -> list[Source]:
    """The sources the app recommends, in its order."""
    found = Source.objects.offered(flow.environment).in_bulk(flow.recommended or [])
    return [found[source_id] for source_id in flow.recommended or [] if source_id in found]


def search_choices(flow: PatientFlow, query: str, place: str) -> list:
    """What the catalogue finds for these words, near ones first when a place is given."""
    if not query.strip():
        return []
    return catalogue.search(
        flow.environment, query, near=place, recommended=flow.recommended or [], limit=RESULTS
    )
