"""Where a variant's endpoints are, as absolute URLs of the host it was reached at."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from portals.sandbox.variants import Variant


@dataclass(frozen=True, slots=True)
class Site:
    """A variant at the host a request came to. The FHIR base is also the issuer."""

    origin: str
    variant: Variant

    @classmethod
    def of(cls, request: HttpRequest, variant: Variant) -> "Site":
        return cls(f"{request.scheme}://{request.get_host()}", variant)

    @property
    def host(self) -> str:
        return self.origin.partition("://")[2]

    @property
    def fhir(self) -> str:
        return self.url("fhir")

    @property
    def issuer(self) -> str:
        return self.fhir

    def url(self, name: str) -> str:
        """The address of one of the variant's URL names: `authorize`, `token`, `revoke`, …"""
        return self.origin + reverse(f"sandbox:{name}", kwargs={"variant": self.variant})

    def at_host(self, path_or_url: str) -> str:
        """A path on this host made absolute; an absolute URL as it is."""
        return self.origin + path_or_url if path_or_url.startswith("/") else path_or_url
