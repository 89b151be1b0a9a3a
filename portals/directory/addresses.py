"""FHIR base URLs: one spelling for each, and none that leads inside (smart-fhir.md 3.2, importer rules 4 and 5).

These checks read the text only. The address a name resolves to is checked again at connect time (connect.outbound).
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

MAX_LENGTH = 500

# Names that no public resolver answers for (RFC 2606, 6761, 6762 appendix G, 8375).
_INSIDE_SUFFIXES = (
    "local", "localhost", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa",
    "invalid", "test", "onion",
)  # fmt: skip
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)$")
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f\\<>\"]")


class Refusal(StrEnum):
    """Why an address is not taken into the catalogue."""

    NO_ADDRESS = "no_address"
    NOT_A_URL = "not_a_url"
    TOO_LONG = "too_long"
    INSECURE = "insecure_http"
    CREDENTIALS = "credentials_in_url"
    FRAGMENT = "fragment_in_url"
    IP_LITERAL = "ip_literal"
    SINGLE_LABEL = "single_label_host"
    INSIDE = "private_host"


class AddressRefused(Exception):
    """The address may not be imported; `.reason` is a `Refusal`."""

    def __init__(self, reason: Refusal):
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What local development lets through and production refuses."""

    allow_http: bool = False
    allow_private: bool = False


PUBLIC_HTTPS = AddressPolicy()


def normalise_base_url(text: str | None, policy: AddressPolicy = PUBLIC_HTTPS) -> str:
    """The one spelling of a base URL: scheme and host in lower case, one trailing slash gone, all else as it was.

    Path, query and port stay untouched (`aud` must be what the portal knows itself by). Raises AddressRefused.
    """
    text = (text or "").strip()
    if not text or text.lower() in ("null", "none", "n/a"):
        raise AddressRefused(Refusal.NO_ADDRESS)
    if len(text) > MAX_LENGTH:
        raise AddressRefused(Refusal.TOO_LONG)
    if _UNPRINTABLE.search(text):
        raise AddressRefused(Refusal.NOT_A_URL)
    scheme, host, port, path, query = _parts(text)
    if scheme == "http" and not policy.allow_http:
        raise AddressRefused(Refusal.INSECURE)
    host = _checked_host(host, policy)
    path = path.removesuffix("/") if not query else path
    return f"{scheme}://{host}{f':{port}' if port is not None else ''}{path}{f'?{query}' if query else ''}"


def _parts(text: str) -> tuple[str, str, int | None, str, str]:
    try:
        split = urlsplit(text)
        host, port = split.hostname or "", split.port
    except ValueError as error:
        raise AddressRefused(Refusal.NOT_A_URL) from error
    if split.scheme.lower() not in ("http", "https") or not host:
        raise AddressRefused(Refusal.NOT_A_URL)
    if split.username is not None or split.password is not None:
        raise AddressRefused(Refusal.CREDENTIALS)
    if split.fragment or text.endswith("#"):
        raise AddressRefused(Refusal.FRAGMENT)
    return split.scheme.lower(), host, port, split.path, split.query


def _checked_host(host: str, policy: AddressPolicy) -> str:
    """The host in ASCII and lower case, refused where only an inside network could answer for it."""
    if ":" in host or _is_number(host):
        if not policy.allow_private:
            raise AddressRefused(Refusal.IP_LITERAL)
        return f"[{host}]" if ":" in host else host
    name = _ascii(host)
    labels = name.rstrip(".").split(".")
    if not all(_LABEL.match(label) for label in labels):
        raise AddressRefused(Refusal.NOT_A_URL)
    if policy.allow_private:
        return name
    if len(labels) == 1:
        raise AddressRefused(Refusal.SINGLE_LABEL)
    if any(name.rstrip(".").endswith("." + suffix) for suffix in _INSIDE_SUFFIXES):
        raise AddressRefused(Refusal.INSIDE)
    return name


def _is_number(host: str) -> bool:
    """An IPv4 address in any spelling a resolver takes: dotted, octal, hexadecimal, one number."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}\.?", host))
    return True


def _ascii(host: str) -> str:
    try:
        return host.lower() if host.isascii() else host.encode("idna").decode().lower()
    except UnicodeError as error:
        raise AddressRefused(Refusal.NOT_A_URL) from error


def registrable_domain(host: str) -> str:
    """The part of a host that one owner holds, near enough for US portals: `"my.chart.mayo.edu"` → `"mayo.edu"`."""
    labels = host.lower().rstrip(".").split(".")
    keep = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in ("co", "com", "org", "k12", "state") else 2
    return ".".join(labels[-keep:])
