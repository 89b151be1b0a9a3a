"""The OAuth 2.0 error answer (RFC 6749 §5.2), raised from anywhere under an OAuth endpoint."""

from django.http import JsonResponse

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """`code` is one of the registered error codes; `text` is for a developer's eyes."""

    def __init__(self, code: str, text: str = "", *, status: int = 400):
        super().__init__(code)
        self.code, self.text, self.status = code, text, status

    def response(self) -> JsonResponse:
        headers = dict(NO_STORE)
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="sandbox"'
        body = {"error": self.code, "error_description": self.text}
        return JsonResponse(body, status=self.status, headers=headers)


class InvalidClient(OAuthError):
    def __init__(self, text: str):
        super().__init__("invalid_client", text, status=401)
