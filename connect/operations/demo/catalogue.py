"""The demo's catalogue: the pretend portals, 24,000 plausible names that lead to the plain one, and our apps there.

A portal's id comes from its address, so a demo that moves to another port gets new entries; those of the old address
are withdrawn and the connections to them stay as they were.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from connect import ids
from connect.organizations.models import Environment
from portals.directory.entries import DirectoryEntry
from portals.directory.plausible import PlausibleDataMissing, plausible_entries
from portals.models import CatalogueVersion, Listing, Registration, SigningKey, Source
from portals.sandbox.variants import PORTALS
from portals.smart.keys import new_key_pair

SANDBOX = Environment.SANDBOX
PORTALS_LIST = "sandbox portals"
PLAUSIBLE_LIST = "plausible names"
BRAND = "Connect sandbox"
CLIENT_ID, CLIENT_SECRET = "connect-sandbox", "connect-sandbox-secret"
JWT_CLIENT_ID = "connect-sandbox-jwt"
VENDORS = ("sandbox", "epic", "cerner", "athena", "meditech", "eclinicalworks", "nextgen")
PLAUSIBLE = 24_000
BATCH = 2_000
# They all lead to the one plain portal: to look at each of them a day would only keep a laptop busy.
NOT_PROBED = timedelta(days=3650)


def load() -> int:
    """Bring the sandbox catalogue up to date; returns how many sources it offers."""
    with transaction.atomic():
        changed = _withdraw_other_addresses()
        changed += _add(_variant_sources(), PORTALS_LIST)
        if _offered(PLAUSIBLE_LIST).count() < PLAUSIBLE // 2:
            changed += _add(_plausible_sources(), PLAUSIBLE_LIST)
        _register()
        if changed:
            _move_version()
    return Source.objects.offered(SANDBOX).count()


def fhir_base(slug: str) -> str:
    return f"{settings.BASE_URL}/sandbox/{slug}/fhir"


def _offered(directory: str):
    return Source.objects.offered(SANDBOX).filter(directory=directory)


def _withdraw_other_addresses() -> int:
    ours = Source.objects.offered(SANDBOX).filter(directory__in=[PORTALS_LIST, PLAUSIBLE_LIST])
    return ours.exclude(fhir_base_url__startswith=f"{settings.BASE_URL}/").update(withdrawn_at=timezone.now())


def _variant_sources() -> Iterator[Source]:
    for variant in PORTALS:
        url = fhir_base(variant.slug)
        yield Source(
            id=ids.source_id(SANDBOX, url), environment=SANDBOX, fhir_base_url=url, name=variant.name, brand=BRAND,
            vendor=variant.vendor, category="provider", portal_url=f"{settings.BASE_URL}/sandbox/",
            directory=PORTALS_LIST,
        )  # fmt: skip


def _plausible_sources() -> Iterator[Source]:
    try:
        entries = list(plausible_entries(base_url="{slug}", limit=PLAUSIBLE))
    except PlausibleDataMissing:
        return
    for entry in entries:
        yield _plausible_source(entry)


def _plausible_source(entry: DirectoryEntry) -> Source:
    """A source at `/sandbox/at-<name>-<digest>/fhir`, which the sandbox serves like the plain portal."""
    words, _, digest = entry.place.rpartition("-")
    url = fhir_base(f"at-{words[:28].strip('-')}-{digest}")
    return Source(
        id=ids.source_id(SANDBOX, url), environment=SANDBOX, fhir_base_url=url, name=entry.name, vendor=entry.vendor,
        category=str(entry.category), locations=[place._asdict() for place in entry.locations],
        directory=PLAUSIBLE_LIST, probe_due_at=timezone.now() + NOT_PROBED,
    )  # fmt: skip


def _add(sources: Iterable[Source], directory: str) -> int:
    """Insert what is not there, each with the listing patients find it by; returns how many were new or came back."""
    wanted = {source.pk: source for source in sources}
    known = set(Source.objects.filter(environment=SANDBOX, directory=directory).values_list("pk", flat=True))
    new = [source for pk, source in wanted.items() if pk not in known]
    Source.objects.bulk_create(new, batch_size=BATCH)
    Listing.objects.bulk_create((_listing(source) for source in new), batch_size=BATCH)
    back = Source.objects.filter(environment=SANDBOX, directory=directory, withdrawn_at__isnull=False)
    return len(new) + back.filter(fhir_base_url__startswith=f"{settings.BASE_URL}/").update(withdrawn_at=None)


def _listing(source: Source) -> Listing:
    place = source.locations[0] if source.locations else {}
    return Listing(
        source=source, name=source.name, brand=source.brand or "", category=source.category,
        directory=source.directory, **place,
    )  # fmt: skip


def _register() -> None:
    """Our apps at the pretend portals: one with a secret for every vendor, one that signs assertions."""
    for vendor in VENDORS:
        registration, made = Registration.objects.get_or_create(
            id=f"{vendor}-sandbox",
            defaults={
                "environment": SANDBOX, "vendor": vendor, "client_id": CLIENT_ID,
                "method": Registration.Method.CLIENT_SECRET_BASIC, "programme": "Demo",
            },
        )  # fmt: skip
        if made:
            registration.client_secret = CLIENT_SECRET
            registration.save(update_fields=["client_secret"])
    if not SigningKey.objects.filter(retired_at=None).exists():
        _make_signing_key()
    Registration.objects.update_or_create(
        id="sandbox-jwt",
        defaults={
            "environment": SANDBOX, "client_id": JWT_CLIENT_ID, "method": Registration.Method.PRIVATE_KEY_JWT,
            "source_id": ids.source_id(SANDBOX, fhir_base("private-key-jwt")), "programme": "Demo",
        },
    )  # fmt: skip


def _make_signing_key() -> None:
    pair = new_key_pair("RS384")
    key = SigningKey(kid=pair.kid, algorithm=pair.algorithm, public_jwk=pair.public_jwk)
    key.private_jwk = pair.private_jwk
    key.save()


def _move_version() -> None:
    """Tell search indexes in every process to rebuild themselves."""
    version, made = CatalogueVersion.objects.get_or_create(environment=SANDBOX)
    if not made:
        CatalogueVersion.objects.filter(pk=version.pk).update(number=F("number") + 1, changed_at=timezone.now())
