"""Our signing keys for private_key_jwt: which one signs, which ones are published, and how they are rotated.

A new key is published at once and signs only when every portal has had time to read it; the old ones stay published
until nothing they signed can be on its way any more (SMART 2.2 "Client authentication: asymmetric").
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from connect.audit.actions import Actor, record
from portals.models import SigningKey
from portals.smart.keys import ALGORITHMS, JWKS_MAX_AGE_SECONDS, KeyPair, new_key_pair, public_jwks

LEAD = timedelta(hours=24)
OVERLAP = timedelta(hours=24)


class NoSigningKey(Exception):
    """Nothing can sign with this algorithm: run `manage.py signing_keys rotate`."""


def signing_key(algorithm: str) -> KeyPair:
    """The key that signs now with "RS384" or "ES384". Raises NoSigningKey.

    When the only key is younger than its lead, it signs all the same: there is nothing better.
    """
    now = timezone.now()
    keys = SigningKey.objects.filter(algorithm=algorithm)
    key = keys.signing(now).first() or keys.published(now).order_by("signs_from").first()
    if key is None:
        raise NoSigningKey(algorithm)
    return KeyPair(key.kid, key.algorithm, key.private_jwk)


def published_key_set() -> dict:
    """The JWK Set of every key that a portal may have to verify with."""
    return public_jwks(SigningKey.objects.published(timezone.now()).values_list("public_jwk", flat=True))


@transaction.atomic
def rotate(*, by: Actor, leaked: bool = False) -> list[SigningKey]:
    """A new key an algorithm, which signs when every portal has had time to read it; those it follows are retired when
    nothing they signed can be on its way. Without any key before, the new one signs at once.

    `leaked`: the new ones sign at once, and every older one is published no more. Portals that keep our key set for its
    max-age refuse us until they read it again.
    """
    now = timezone.now()
    lead, overlap = (timedelta(0), timedelta(0)) if leaked else (LEAD, OVERLAP)
    made = []
    for algorithm in ALGORITHMS:
        earlier = list(SigningKey.objects.published(now).filter(algorithm=algorithm))
        signs_from = now + lead if earlier else now
        for key in earlier:
            if leaked or key.retired_at is None:
                key.retire(signs_from + overlap)
        made.append(_new_key(algorithm, signs_from))
    record(
        action="signing_keys.rotated", by=by, object_type="signing_key", kids=[key.kid for key in made], leaked=leaked
    )
    return made


def _new_key(algorithm: str, signs_from) -> SigningKey:
    pair = new_key_pair(algorithm)
    key = SigningKey(kid=pair.kid, algorithm=algorithm, public_jwk=pair.public_jwk, signs_from=signs_from)
    key.private_jwk = pair.private_jwk
    key.save(force_insert=True)
    return key


__all__ = ["JWKS_MAX_AGE_SECONDS", "NoSigningKey", "published_key_set", "rotate", "signing_key"]
