"""A receipt is written in the transaction of the connection it is about."""

from connect import ids
from patientflows.models import Attempt, Receipt
from patientflows.receipts import signing
from patientflows.receipts.claims import claims_of
from portals.models import Connection


def issue_receipt(*, attempt: Attempt, connection: Connection) -> Receipt:
    """Sign and keep the receipt of a connected attempt; called once, right after `attempt.connect`."""
    key = signing.current_key()
    receipt = Receipt(
        id=ids.new_receipt_id(), patient=attempt.flow.patient, connection=connection, attempt_id=attempt.pk, key=key
    )
    receipt.signed = signing.sign(claims_of(receipt.pk, attempt, connection), key)
    receipt.save(force_insert=True)
    return receipt


def document_of(receipt: Receipt) -> dict:
    """The file a patient keeps: readable claims, and the signature over them (`receipts.verify` compares the two)."""
    claims = signing.read(receipt.signed)
    return {
        "receipt": claims,
        "signed": receipt.signed,
        "keys": f"{claims['iss']}/.well-known/consent-receipt-keys.json",
    }
