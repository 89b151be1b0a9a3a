"""Headers that Django has no settings for, on every answer that does not say otherwise."""

# No page of ours uses a device, and none may be made to.
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()"
HEADERS = {"Permissions-Policy": PERMISSIONS_POLICY, "Cross-Origin-Resource-Policy": "same-origin"}


class SecurityHeadersMiddleware:
    """Adds what is missing. An answer that depends on a key or a cookie is nobody's to keep."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if "Authorization" in request.headers or request.COOKIES:
            response.headers.setdefault("Cache-Control", "no-store")
        return response
