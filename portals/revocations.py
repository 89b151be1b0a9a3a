"""Writing down what is to be revoked (RFC 7009); `revoke.py` carries it out."""

from portals.models import Connection, Revocation, Source
from portals.smart.discovery import SmartConfiguration
from portals.smart.tokens import TokenResponse


def queue_connection_revocations(connection: Connection) -> int:
    """Queue the connection's tokens; call it in the transaction that forgets them. Returns how many."""
    return _queue(connection, connection.refresh_token, connection.access_token)


def queue_given(connection: Connection, tokens: TokenResponse) -> int:
    """Queue tokens that a portal gave for this connection and that are not kept. Returns how many."""
    return _queue(connection, tokens.refresh_token, tokens.access_token)


def _queue(connection: Connection, refresh_token: str | None, access_token: str | None) -> int:
    configuration = SmartConfiguration.from_dict({"fhir_base_url": connection.source_id} | connection.configuration)
    queued = [
        queue_revocation(
            source=connection.source, registration_id=connection.registration_id, token=token, token_type=token_type,
            configuration=configuration, connection_id=connection.pk,
        )
        for token_type, token in (("refresh_token", refresh_token), ("access_token", access_token))
        if token
    ]  # fmt: skip
    return sum(1 for revocation in queued if revocation)


def queue_revocation(
    *, source: Source, registration_id: str, token: str, token_type: str, configuration: SmartConfiguration,
    connection_id: str = "",
) -> Revocation | None:  # fmt: skip
    """Queue one token, sealed; None where the portal offers no revocation: the patient can only end it there.

    The next sweep finds it; a caller for whom somebody waits wakes `tasks.revoke_due`.
    """
    if not configuration.revocation_endpoint:
        return None
    revocation = Revocation(
        source=source, registration_id=registration_id, connection_id=connection_id, token_type=token_type,
        endpoint=configuration.revocation_endpoint, token_endpoint=configuration.token_endpoint or "",
    )  # fmt: skip
    revocation.token = token
    revocation.save(force_insert=True)
    return revocation
