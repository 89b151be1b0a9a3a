"""Check a receipt of consent without a network: `python -m patientflows.receipts.verify RECEIPT.json KEYS.json`.

RECEIPT.json is what the patient downloaded; KEYS.json is `{base}/.well-known/consent-receipt-keys.json`, fetched once
and kept. Needs nothing of Connect but this file and joserfc. Exit status: 0 good, 1 bad, 2 not readable.
"""

import argparse
import json
import sys
from pathlib import Path

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ALGORITHM = "ES384"
TYPE = "consent-receipt+jws"


class ReceiptInvalid(Exception):
    """The receipt was not signed by one of these keys, or was changed afterwards."""


def verified_claims(signed: str, keys: dict) -> dict:
    """What a compact JWS states, once its signature was found to be by one of `keys` (a JWK set, RFC 7517).

    Raises ReceiptInvalid. The algorithm and the type are fixed here, never taken from the receipt (RFC 8725 3.1, 3.11).
    """
    try:
        token = jws.deserialize_compact(signed, KeySet.import_key_set(keys), algorithms=[ALGORITHM])
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise ReceiptInvalid(f"the signature does not hold ({type(error).__name__})") from None
    if token.headers().get("typ") != TYPE:
        raise ReceiptInvalid("this is signed, but it is no receipt of consent")
    return json.loads(token.payload)


def check(document: dict, keys: dict) -> dict:
    """The claims of a downloaded receipt. Raises ReceiptInvalid, also when the readable part was edited."""
    claims = verified_claims(str(document.get("signed", "")), keys)
    if document.get("receipt") != claims:
        raise ReceiptInvalid("the readable part says something else than what was signed")
    return claims


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m patientflows.receipts.verify", description="Check a receipt of consent."
    )
    parser.add_argument("receipt", type=Path, help="the downloaded receipt")
    parser.add_argument("keys", type=Path, help="the published keys")
    options = parser.parse_args(arguments)
    try:
        document, keys = json.loads(options.receipt.read_text()), json.loads(options.keys.read_text())
    except (OSError, ValueError) as error:
        return _say(f"Cannot read it: {error}", 2)
    try:
        claims = check(document, keys)
    except ReceiptInvalid as fault:
        return _say(f"NOT VALID: {fault}.", 1)
    granted = claims["granted"]
    return _say(
        f"Valid. Signed by {claims['iss']}: on {granted['at']} patient {claims['patient']['id']} let "
        f"{claims['organization']['name']} have records of {claims['source']['name']} ({' '.join(granted['scopes'])}).",
        0,
    )


def _say(text: str, status: int) -> int:
    sys.stdout.write(text + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
