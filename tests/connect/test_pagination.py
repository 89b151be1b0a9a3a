"""Cursors: opaque, bound to their filters, and refused when damaged (contract 1.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect.errors import InvalidData
from connect.pagination import issue_cursor, read_cursor


def test_a_cursor_gives_its_position_back():
    assert read_cursor(issue_cursor("pf_1", {"status": "open"}), {"status": "open"}) == "pf_1"


def test_a_cursor_of_other_filters_is_refused():
    with pytest.raises(InvalidData) as refusal:
        read_cursor(issue_cursor("pf_1", {"status": "open"}), {"status": "complete"})
    assert refusal.value.param == "starting_after"


def test_a_filter_that_is_absent_is_the_same_as_none():
    assert read_cursor(issue_cursor("pf_1", {"status": None}), {}) == "pf_1"


@given(st.text())
def test_whatever_is_not_a_cursor_is_refused_as_invalid_data(text):
    with pytest.raises(InvalidData):
        read_cursor(text, {})


@given(st.integers(0, 60), st.characters(codec="ascii"))
def test_a_cursor_with_one_character_changed_is_refused(place, character):
    cursor = issue_cursor("pf_01J0000000000000000000000", {})
    damaged = cursor[:place] + character + cursor[place + 1 :]
    if damaged == cursor:
        return
    with pytest.raises(InvalidData):
        read_cursor(damaged, {})
