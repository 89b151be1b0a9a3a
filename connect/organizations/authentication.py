"""`Authorization: Bearer mb_sk_…`: the key itself is the caller (contract 1.4)."""

from rest_framework.authentication import BaseAuthentication, get_authorization_header

from connect import wrong_keys
from connect.crypto import token_hash
from connect.errors import ExpiredApiKey, InvalidApiKey, MissingApiKey
from connect.organizations.actions import note_use
from connect.organizations.models import ApiKey
from connect.statements import Given, Select

LIVING_KEY = Select(lambda: ApiKey.objects.filter(hash=Given("hash"), revoked_at=None).order_by())


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
    key = LIVING_KEY.first(hash=mark)
    if key is None:
        wrong_keys.count_wrong(address)
        raise InvalidApiKey()
    wrong_keys.note_right(mark)
    if key.is_expired:
        raise ExpiredApiKey()
    if key.used():
        note_use(key)
    return key
