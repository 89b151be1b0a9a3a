"""What patients read when an attempt fails: kind, specific, with a next step, for every code of the contract."""

import pytest
from django.utils import translation

from patientflows.failures import explain
from patientflows.links import DESCRIPTIONS

CODES = (
    "user_denied", "oauth_callback_failed", "token_exchange_failed", "invalid_scope", "issuer_mismatch",
    "patient_missing", "portal_unavailable", "portal_misconfigured", "authorization_abandoned",
)  # fmt: skip


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("code", CODES)
def test_every_code_has_words_that_name_the_portal_and_not_the_code(code, language):
    with translation.override(language):
        said = explain(code, "Mayo Clinic")
    assert "Mayo Clinic" in said.text
    assert code not in said.title + said.text
    assert said.retry == (code not in ("invalid_scope", "portal_misconfigured"))


def test_every_code_has_a_description_for_the_app():
    assert set(CODES) == set(DESCRIPTIONS)
