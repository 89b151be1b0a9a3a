"""Signing receipts: ES384 keys made here, sealed at rest, published for as long as receipts are kept."""

import json

from joserfc import jws
from joserfc.jwk import ECKey

from patientflows.models import ReceiptKey
from patientflows.receipts.verify import ALGORITHM, TYPE


def current_key() -> ReceiptKey:
    """The newest key that is not retired; the first time, a fresh one."""
    key = ReceiptKey.objects.filter(retired_at=None).order_by("-created_at").first()
    return key or new_key()


def new_key() -> ReceiptKey:
    """A fresh P-384 key, which signs from now on; its `kid` is its thumbprint (RFC 7638)."""
    pair = ECKey.generate_key("P-384")
    public = pair.as_dict(private=False) | {"kid": pair.thumbprint(), "alg": ALGORITHM, "use": "sig"}
    key = ReceiptKey(kid=pair.thumbprint(), public_jwk=public)
    key.private_jwk = json.dumps(pair.as_dict(private=True))
    key.save(force_insert=True)
    return key


def sign(claims: dict, key: ReceiptKey) -> str:
    """The claims as a compact JWS (RFC 7515)."""
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": TYPE}
    payload = json.dumps(claims, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return jws.serialize_compact(header, payload, ECKey.import_key(json.loads(key.private_jwk)), algorithms=[ALGORITHM])


def published_keys() -> dict:
    """The JWK set to check receipts with, retired keys included: what they signed stays signed."""
    return {"keys": list(ReceiptKey.objects.order_by("created_at").values_list("public_jwk", flat=True))}


def read(signed: str) -> dict:
    """The claims of a receipt of our own, from our own database."""
    return json.loads(jws.extract_compact(signed.encode()).payload)
