"""CSRF protection beside `Referrer-Policy: no-referrer`.

Under that policy browsers send `Origin: null` with every form post, to the same site too (Fetch 3.2, "serializing a
request origin"), and Django's middleware refuses it. The browser's own `Sec-Fetch-Site` says what the origin cannot;
where it is missing (old browsers, plain http) the token decides, as it always does in the end.
"""

from django.middleware.csrf import CsrfViewMiddleware


class SameOriginCsrfMiddleware(CsrfViewMiddleware):
    """Takes `Origin: null` from a page that the browser vouches is ours, or that it says nothing of."""

    def _origin_verified(self, request) -> bool:
        if request.META.get("HTTP_ORIGIN") == "null":
            return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
        return super()._origin_verified(request)
