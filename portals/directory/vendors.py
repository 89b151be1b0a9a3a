"""Who made the portal: the `type` of a source, from its address where that tells, else from the developer's name."""

import re

_BY_HOST = [
    ("epichosted.com", "epic"), ("cerner.com", "cerner"), ("oracle.com", "cerner"), ("athenahealth.com", "athena"),
    ("healow.com", "eclinicalworks"), ("eclinicalworks.com", "eclinicalworks"),
    ("practicefusion.com", "practice-fusion"),
    ("patientfusion.com", "practice-fusion"), ("allscripts.com", "veradigm"), ("meditech.cloud", "meditech"),
    ("allscriptscloud.com", "altera"), ("nextgen.com", "nextgen"), ("greenwayhealth.com", "greenway"),
    ("meldrx.com", "meldrx"), ("modmed.com", "modmed"), ("drchrono.com", "drchrono"),
]  # fmt: skip

_BY_DEVELOPER = [
    (r"\bepic\b", "epic"), (r"cerner|oracle", "cerner"), (r"athena", "athena"), (r"meditech", "meditech"),
    (r"eclinicalworks|healow", "eclinicalworks"), (r"practice fusion", "practice-fusion"), (r"veradigm", "veradigm"),
    (r"allscripts|altera", "altera"), (r"nextgen", "nextgen"), (r"greenway", "greenway"),
    (r"modernizing medicine|modmed", "modmed"), (r"drchrono", "drchrono"), (r"darena|meldrx", "meldrx"),
    (r"medhost", "medhost"), (r"netsmart", "netsmart"), (r"office practicum", "office-practicum"),
    (r"azalea", "azalea"), (r"trubridge|cpsi", "trubridge"),
]  # fmt: skip
_BY_DEVELOPER = [(re.compile(pattern), slug) for pattern, slug in _BY_DEVELOPER]
_COMPANY_FORM = re.compile(r"[,.]|\b(?:inc|llc|corp|corporation|ltd|co|plc|bv|company)\b")


def vendor_slug(developer: str, host: str = "") -> str:
    """`("Epic Systems Corporation", "")` → `"epic"`; an unknown developer becomes a slug of its name (≤ 60)."""
    for suffix, slug in _BY_HOST:
        if host == suffix or host.endswith("." + suffix):
            return slug
    name = developer.lower()
    for pattern, slug in _BY_DEVELOPER:
        if pattern.search(name):
            return slug
    return re.sub(r"[^a-z0-9]+", "-", _COMPANY_FORM.sub(" ", name)).strip("-")[:60]
