"""OperationOutcome, read for its codes only: its texts may be about the patient, and are never kept."""

import json
from dataclasses import dataclass

# Epic's own codes (reference 4.7): https://fhir.epic.com, "OperationOutcome codes".
PAGING_EXPIRED = frozenset({"4113"})
MERGED_PATIENT = frozenset({"4107"})
CATEGORY_MISSING = frozenset({"59108", "4111"})
INCOMPLETE = frozenset({"4118", "4119", "59204", "4115", "4130", "4131", "4135", "4127", "59133"})
HARMLESS = frozenset({"4101", "59100", "59109"})


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue: FHIR's severity and code, and whatever codes the vendor adds."""

    severity: str
    code: str
    codes: tuple[str, ...] = ()
    mentions_category: bool = False

    @property
    def is_error(self) -> bool:
        return self.severity in ("error", "fatal") and not HARMLESS.intersection(self.codes)

    @property
    def name(self) -> str:
        """`warning:processing:4119`: for manifests and progress."""
        return ":".join((self.severity, self.code, *self.codes))[:120]


def read_outcome(raw: bytes) -> list[Issue]:
    """The issues of an OperationOutcome; an unreadable one counts as one error of code `invalid`."""
    try:
        issues = json.loads(raw).get("issue")
    except (ValueError, RecursionError, AttributeError):
        issues = None
    if not isinstance(issues, list):
        return [Issue("error", "invalid")]
    return [_issue(each) for each in issues if isinstance(each, dict)]


def has(issues: list[Issue], codes: frozenset[str]) -> bool:
    return any(codes.intersection(issue.codes) for issue in issues)


def what_lacks(issues: list[Issue]) -> str | None:
    """Why an answer that came is not the whole answer, as a code, or None: an error among its outcomes, a part that was
    left out, or a patient whose records are now kept under another id (which we never guess)."""
    if has(issues, MERGED_PATIENT):
        return "merged_patient"
    return next((issue.name for issue in issues if issue.is_error or INCOMPLETE.intersection(issue.codes)), None)


def wants_category(issues: list[Issue]) -> bool:
    """Whether the portal says that it must be told a category (Epic 59108, and kin in their own words)."""
    return has(issues, CATEGORY_MISSING) or any(issue.is_error and issue.mentions_category for issue in issues)


def _issue(issue: dict) -> Issue:
    details = issue.get("details") if isinstance(issue.get("details"), dict) else {}
    codings = details.get("coding") if isinstance(details.get("coding"), list) else []
    codes = tuple(dict.fromkeys(_slug(each.get("code")) for each in codings if isinstance(each, dict)))
    words = f"{details.get('text')} {issue.get('diagnostics')}".lower()
    return Issue(
        _slug(issue.get("severity")) or "error",
        _slug(issue.get("code")) or "unknown",
        tuple(code for code in codes if code),
        "category" in words,
    )


def _slug(value) -> str:
    """A code and nothing else: a portal's sentence in a code's place is dropped."""
    text = value if isinstance(value, str) else ""
    return text if len(text) <= 40 and all(c.isalnum() or c in "-_." for c in text) else ""
