"""What a worker does about logos: fetch those that are due, make them anew, keep them."""

from datetime import timedelta

import structlog
from django.utils import timezone

from connect import outbound
from connect.pictures import PictureRefused, clean_picture
from portals.models import Logo

log = structlog.get_logger(__name__)

BATCH = 50
LEASE = timedelta(minutes=2)
MAX_SIDE = 128  # pages show 40 pixels of it, and screens have up to three for each
ACCEPT = "image/png, image/webp, image/jpeg, image/gif"


def fetch_due() -> int:
    """Fetch the logos that are due; how many were tried."""
    due = Logo.objects.due(timezone.now())[:BATCH]
    claimed = [logo for logo in due if logo.claim(LEASE)]
    for logo in claimed:
        fetch(logo)
    return len(claimed)


def fetch(logo: Logo) -> None:
    """Read one logo from where its portal's list says it is."""
    try:
        answer = outbound.request("GET", logo.url, headers={"Accept": ACCEPT}, policy=outbound.PICTURE)
        if answer.status != 200:
            raise PictureRefused(f"status {answer.status}")
        logo.keep(clean_picture(answer.body, max_side=MAX_SIDE))
    except (outbound.OutboundError, PictureRefused) as reason:
        log.info("logo.not_fetched", logo_id=logo.pk, reason=str(reason))
        logo.put_off()
