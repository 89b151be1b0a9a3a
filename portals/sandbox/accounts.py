"""Who can log in to the pretend portals, and whose records each may share. Every password is `demo`.

`patient` is the first adult of the holdings, `parent` is a mother of two, and every patient's own id is a user name
too, so that a test can log in as anyone.
"""

from dataclasses import dataclass

import msgspec

from portals.sandbox.holdings import Holdings, Resource

PASSWORD = "demo"
FAMILY = ("rivera-marisol", "rivera-agustin", "rivera-zoe")


@dataclass(frozen=True, slots=True)
class Person:
    """A patient, as the consent page shows one."""

    id: str
    name: str
    birth_date: str


class _Name(msgspec.Struct):
    given: list[str] = []
    family: str = ""
    text: str = ""


class _Patient(msgspec.Struct):
    id: str
    name: list[_Name] = []
    birthDate: str = ""


def usernames(held: Holdings) -> list[str]:
    """The two short names first, then every patient's id."""
    return ["patient", "parent", *(resource.id for resource in held.patients)]


def sign_in(held: Holdings, username: str, password: str) -> bool:
    return password == PASSWORD and bool(people(held, username))


def people(held: Holdings, username: str) -> list[Person]:
    """Whose records this user may share: their own first, then those they are a proxy for."""
    if username == "patient":
        return [person(resource) for resource in held.patients[:1]]
    ids = FAMILY if username == "parent" else (username,)
    found = (held.get("Patient", patient) for patient in ids)
    return [person(resource) for resource in found if resource]


def person(resource: Resource) -> Person:
    patient = msgspec.json.decode(resource.body, type=_Patient)
    first = patient.name[0] if patient.name else _Name()
    name = first.text or " ".join([*first.given, first.family]).strip()
    return Person(patient.id, name or patient.id, patient.birthDate)
