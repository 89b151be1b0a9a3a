"""Scopes are compared by meaning: what is granted is what is pulled."""

import pytest

from portals.smart import scopes

LAB = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("patient/*.rs openid", "openid patient/*.read"),
        ("patient/*.read", "patient/*.rs"),
        ("patient/*.rs", "patient/*.cruds"),
        ("patient/*.read", "patient/*.*"),
        ("patient/Condition.rs", "patient/*.rs"),
        (f"patient/Observation.rs?{LAB}", "patient/Observation.rs"),
    ],
)
def test_nothing_is_missing_when_the_grant_covers_what_was_asked(asked, granted):
    assert scopes.missing(asked, granted) == ()


@pytest.mark.parametrize(
    ("asked", "granted", "missing"),
    [
        ("patient/*.rs", "patient/Condition.rs patient/Patient.rs", ("patient/*.rs",)),
        ("patient/Condition.rs", "patient/Condition.r", ("patient/Condition.rs",)),
        ("patient/Observation.rs", f"patient/Observation.rs?{LAB}", ("patient/Observation.rs",)),
        ("patient/Condition.rs", "user/Condition.rs", ("patient/Condition.rs",)),
        ("openid offline_access patient/*.rs", "patient/*.rs", ("openid", "offline_access")),
        ("patient/*.read", "", ("patient/*.read",)),
        ("patient/*.read", "nonsense patient/ patient/*. /", ("patient/*.read",)),
    ],
)
def test_what_the_grant_does_not_cover_is_missing_as_it_was_asked(asked, granted, missing):
    assert scopes.missing(asked, granted) == missing


def test_types_readable():
    granted = "openid patient/Condition.rs patient/Patient.r patient/Observation.cud patient/Goal.read system/Group.rs"
    assert scopes.types_readable(granted) == {"Condition", "Patient", "Goal"}
    assert scopes.types_readable("patient/*.read") == {"*"}
    assert scopes.types_readable("openid") == frozenset()


def test_search_filters_say_how_a_granular_grant_limits_a_type():
    granted = f"patient/Observation.rs?{LAB} patient/Observation.rs?category=vital-signs patient/Condition.rs"
    assert scopes.search_filters(granted, "Observation") == (LAB, "category=vital-signs")
    assert scopes.search_filters(granted, "Condition") == ()
    assert scopes.search_filters(granted, "Goal") is None
    assert scopes.search_filters(f"{granted} patient/*.rs", "Observation") == ()
