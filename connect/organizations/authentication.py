"""`Authorization: Bearer mb_sk_…`: the key itself is the caller (contract 1.4)."""

from rest_framework.authentication import BaseAuthentication, get_authorization_header

from connect import wrong_keys
from connect.crypto import token_hash
from connect.errors import ExpiredApiKey, InvalidApiKey, MissingApiKey
from connect.organizations.actions import note_use
from connect.organizations.models import ApiKey


class ApiKeyAuthentication(BaseAuthentication):
    """Sets `request.auth` to the ApiKey."""

    def authenticate(self, request):
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise MissingApiKey()
        return None, find_key(secret.strip(), address=request.META.get("REMOTE_ADDR"))

    def authenticate_header(self, request):
        return "Bearer"


def find_key(secret: str, *, address: str | None = None) -> ApiKey:
    """The living key of this secret. Found by hash, so its comparison tells nothing by its time.

    Raises InvalidApiKey, ExpiredApiKey, and Throttled past the wrong keys that `address` may send in a minute.
    """
    mark = token_hash(secret)
    wrong_keys.refuse_if_shut(address, mark)
    try:
        key = ApiKey.objects.get(hash=mark, revoked_at=None)
    except ApiKey.DoesNotExist:
        wrong_keys.count_wrong(address)
        raise InvalidApiKey() from None
    wrong_keys.note_right(mark)
    if key.is_expired:
        raise ExpiredApiKey()
    if key.used():
        note_use(key)
    return key
