"""The logos pages may show: those we have. Others are asked for, and are there the next time."""

from collections.abc import Collection

from django.db.models import Q

from connect.background import wake
from portals import tasks
from portals.models import Listing, Logo


def logos_of(urls: Collection[str]) -> dict[str, str]:
    """URL → id of the logo, for those that can be shown. Those never asked for are fetched in the background."""
    wanted = {Logo.id_of(url): url for url in urls if url}
    if not wanted:
        return {}
    known = dict(Logo.objects.filter(pk__in=wanted).values_list("pk", Q(png__isnull=False)))
    new = [Logo(id=pk, url=url) for pk, url in wanted.items() if pk not in known]
    if new:
        Logo.objects.bulk_create(new, ignore_conflicts=True)
        wake(tasks.fetch_logos)
    return {wanted[pk]: pk for pk, is_here in known.items() if is_here}


def listed_logo_urls(listing_ids: Collection[int | str]) -> dict[int | str, str]:
    """Listing → its own logo's URL, of those that have one: practices of one source may each have theirs."""
    numbers = [listing_id for listing_id in listing_ids if isinstance(listing_id, int)]
    listings = Listing.objects.filter(pk__in=numbers).exclude(logo_url="")
    return dict(listings.values_list("pk", "logo_url"))
