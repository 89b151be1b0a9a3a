"""Writing down what is to be revoked (RFC 7009); `revoke.py` carries it out."""

from connect.background import wake
from portals.models import Connection, Revocation, Source
from portals.smart.discovery import SmartConfiguration
from portals.tasks import revoke_due


def queue_connection_revocations(connection: Connection) -> int:
    """Queue the connection's tokens; call it in the transaction that forgets them. Returns how many."""
    held = {"refresh_token": connection.refresh_token, "access_token": connection.access_token}
    configuration = SmartConfiguration.from_dict({"fhir_base_url": connection.source_id} | connection.configuration)
    queued = [
        queue_revocation(
            source=connection.source, registration_id=connection.registration_id, token=token, token_type=token_type,
            configuration=configuration, connection_id=connection.pk,
        )
        for token_type, token in held.items()
        if token
    ]  # fmt: skip
    return sum(1 for revocation in queued if revocation)


def queue_revocation(
    *, source: Source, registration_id: str, token: str, token_type: str, configuration: SmartConfiguration,
    connection_id: str = "",
) -> Revocation | None:  # fmt: skip
    """Queue one token, sealed; None where the portal offers no revocation: the patient can only end it there."""
    if not configuration.revocation_endpoint:
        return None
    revocation = Revocation(
        source=source, registration_id=registration_id, connection_id=connection_id, token_type=token_type,
        endpoint=configuration.revocation_endpoint, token_endpoint=configuration.token_endpoint or "",
    )  # fmt: skip
    revocation.token = token
    revocation.save(force_insert=True)
    wake(revoke_due)
    return revocation
