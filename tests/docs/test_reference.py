"""Reference pages name what exists, and all of it."""

import re

from connect.docs.printed import ROOT
from patientflows.models import Attempt
from webhooks import event_types

DOCS = ROOT / "docs"


def first_column(page: str) -> set[str]:
    return set(re.findall(r"^\| `([\w.]+)` \|", (DOCS / page).read_text(), re.MULTILINE))


def test_every_event_type_has_its_row():
    assert first_column("reference/events.md") == set(event_types.KNOWN)


def test_every_status_of_an_attempt_is_told():
    told = (DOCS / "concepts.md").read_text()
    assert all(status in told for status in Attempt.Status.values)


def test_every_failure_code_is_explained():
    """The list of the contract, section 2."""
    codes = {
        "user_denied", "oauth_callback_failed", "token_exchange_failed", "invalid_scope", "issuer_mismatch",
        "patient_missing", "portal_unavailable", "portal_misconfigured", "authorization_abandoned", "access_lapsed",
        "refresh_rejected",
    }  # fmt: skip
    assert first_column("concepts.md") == codes
