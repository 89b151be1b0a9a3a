"""The pretend portals' addresses, to be mounted at `/sandbox/`. `{variant}` is a slug of `variants.py`."""

from django.urls import path, register_converter

from portals.sandbox import fhir, listings, oauth, pages
from portals.sandbox.variants import Variant, find

app_name = "sandbox"


class VariantConverter:
    regex = "[a-z0-9-]{1,40}"

    def to_python(self, value: str) -> Variant:
        variant = find(value)
        if not variant:
            raise ValueError(value)
        return variant

    def to_url(self, value: Variant) -> str:
        return value.slug


register_converter(VariantConverter, "portal")

urlpatterns = [
    path("", listings.portals, name="portals"),
    path("variants.json", listings.variants_json, name="variants_json"),
    path("accounts.json", listings.accounts_json, name="accounts_json"),
    path("<portal:variant>/authorize", pages.authorize_page, name="authorize"),
    path("<portal:variant>/login/<str:handle>", pages.login, name="login"),
    path("<portal:variant>/consent/<str:handle>", pages.consent, name="consent"),
    path("<portal:variant>/manage", pages.manage, name="manage"),
    path("<portal:variant>/outage", listings.outage, name="outage"),
    path("<portal:variant>/token", oauth.token, name="token"),
    path("<portal:variant>/revoke", oauth.revoke, name="revoke"),
    path("<portal:variant>/introspect", oauth.introspect, name="introspect"),
    path("<portal:variant>/register", oauth.register, name="register"),
    path("<portal:variant>/jwks.json", oauth.jwks, name="jwks"),
    path("<portal:variant>/holdings/<str:patient>.ndjson", listings.patient_holdings, name="holdings"),
    path("<portal:variant>/fhir", fhir.fhir, name="fhir"),
    path("<portal:variant>/fhir/", fhir.fhir),
    path("<portal:variant>/fhir/<path:path>", fhir.fhir, name="fhir_path"),
]
