"""What a request to the FHIR server may see: its token's patient and scopes, asked anew for every request."""

from dataclasses import dataclass

from django.http import HttpRequest

from portals.sandbox import conf, elements, scopes
from portals.sandbox.holdings import Holdings, Resource
from portals.sandbox.huge import HugeHistory
from portals.sandbox.models import Grant, Token
from portals.sandbox.outcomes import Refusal
from portals.sandbox.search import Query, alternatives
from portals.sandbox.variants import Variant


@dataclass(frozen=True, slots=True)
class Access:
    """A live token's view of the holdings: one patient's compartment and what belongs to nobody."""

    grant: Grant
    scopes: list[scopes.RecordScope]
    variant: Variant
    held: Holdings

    @property
    def patient(self) -> str:
        return self.grant.patient

    def need(self, type_: str, verb: str) -> Query:
        """What of a type the scopes let through for `r` or `s`. Raises Refusal 403 when that is nothing."""
        covering = [scope for scope in self.scopes if scope.covers(type_, verb)]
        if type_ == "Binary":
            covering += [scope for scope in self.scopes if scope.covers("DocumentReference", verb) and not scope.query]
        if type_ in self.variant.refused_types or not covering:
            raise Refusal(403, "forbidden", f"This access does not include {type_}.", _challenge("insufficient_scope"))
        return Query(alternatives=alternatives(covering))

    def may_see(self, resource: Resource, verb: str) -> bool:
        try:
            return self.is_theirs(resource) and self.need(resource.type, verb).accepts(resource)
        except Refusal:
            return False

    def is_theirs(self, resource: Resource) -> bool:
        return resource.patient == self.patient or resource.type in elements.SHARED_TYPES

    def find(self, type_: str, resource_id: str) -> Resource | None:
        """A resource by its id, wherever it comes from; None for other patients' too."""
        if self.variant.huge and type_ == "Observation":
            return HugeHistory(self.patient, conf.huge_resources()).find(resource_id)
        found = self.held.get(type_, resource_id)
        return found if found and self.is_theirs(found) else None

    def of_type(self, type_: str):
        """The patient's resources of a type, in order."""
        return of_type(self.held, self.variant, self.patient, type_)


def of_type(held: Holdings, variant: Variant, patient: str, type_: str):
    """What a variant holds of one patient and type."""
    if variant.huge and type_ == "Observation":
        return HugeHistory(patient, conf.huge_resources())
    return held.of_patient(patient, type_)


def authorise(request: HttpRequest, variant: Variant, held: Holdings) -> Access:
    """The access a bearer token gives. Raises Refusal 401 (RFC 6750 §3)."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not value:
        raise Refusal(401, "login", "A bearer token is required.", _challenge())
    token = Token.find(value.strip(), variant.slug)
    if not token or token.kind != Token.Kind.ACCESS or not token.is_active:
        raise Refusal(401, "login", "The access token is unknown, expired or revoked.", _challenge("invalid_token"))
    return Access(token.grant, scopes.records(token.scope), variant, held)


def _challenge(error: str = "") -> dict[str, str]:
    said = f', error="{error}"' if error else ""
    return {"WWW-Authenticate": f'Bearer realm="sandbox"{said}'}
