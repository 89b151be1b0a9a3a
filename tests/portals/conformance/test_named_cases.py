"""Every named case of the reference's 7.1 to 7.5 and 7.7 has a test: by its name, or here, where it stands elsewhere.

The cases themselves are read in ../shared/reference/smart-fhir.md; without that folder only the list below is checked.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
REFERENCE = next(
    (path for path in (TESTS.parents[1] / "shared/reference/smart-fhir.md", Path("/work/shared/reference/smart-fhir.md"))
     if path.exists()),
    None,
)  # fmt: skip
ELSEWHERE = {
    "disc-huge-or-slow": "portals/conformance/test_discovery.py::test_disc_huge",
    "cb-state-other-session": "patientflows/test_callback.py::"
    "test_another_browser_gets_a_code_and_nothing_is_attached_before_it_is_typed",
    "cb-mixup-redirect-uri": "patientflows/test_callback.py::"
    "test_a_state_at_another_registrations_address_exchanges_nothing",
    "cb-never-returns": "patientflows/test_callback.py::test_a_state_lives_an_hour",
    "cb-double-delivery": "patientflows/test_callback.py::"
    "test_two_callbacks_at_once_spend_the_code_once_and_connect_once",
    "cb-no-open-redirect": "security/test_callback.py::"
    "test_the_way_back_is_the_one_the_app_gave_whatever_the_request_says",
    "tok-verifier-sent": "portals/conformance/test_token_request.py::test_tok_same_redirect_uri_and_tok_verifier_sent",
    "sec-tls-verify": "connect/test_outbound_tls.py::test_sec_tls_verify",
    "cb-referrer": "patientflows/test_policy.py::test_no_frame_no_referrer_no_sniffing_no_keeping",
}
CASE = re.compile(r"`((?:disc|ssrf|brand|authz|cb|tok|jwks|idt|ref|rev|sec|portal|reauth)-[a-z0-9-]+)`")


@cache
def read_by_file() -> dict[str, tuple[set[str], str]]:
    """For each test file its test functions' names, and its text (ids of parametrised cases)."""
    found = {}
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text()
        names = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
        found[str(path.relative_to(TESTS))] = names, text
    return found


def has_a_test(case: str) -> bool:
    """A test function whose name begins with the case's, or a parametrised case with it as its id."""
    if case in ELSEWHERE:
        path, _, name = ELSEWHERE[case].partition("::")
        names, _ = read_by_file().get(path, (set(), ""))
        return name in names
    words = "test_" + case.replace("-", "_")
    portals = {path: each for path, each in read_by_file().items() if path.startswith("portals/")}
    return any(any(name.startswith(words) for name in names) or f'"{case}"' in text for names, text in portals.values())


def cases() -> list[str]:
    if REFERENCE is None:
        return sorted(ELSEWHERE)
    text = REFERENCE.read_text()
    wanted = text[text.index("### 7.1") : text.index("### 7.6")] + text[text.index("### 7.7") :]
    return list(dict.fromkeys(CASE.findall(wanted)))


@pytest.mark.parametrize("case", cases())
def test_each_named_case_has_a_test(case):
    assert has_a_test(case)
