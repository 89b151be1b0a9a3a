"""Names as comparable words."""

import pytest

from portals.directory.normalize import acronym_in, name_key, words


@pytest.mark.parametrize(
    "spelling",
    [
        "Saint Luke's Hospital",
        "ST. LUKES HOSP",
        "The St. Luke’s Hospital, Inc.",
        "saint  luke hospital LLC",
        "St Luke's Hospital, P.A.",
    ],
)
def test_spellings_of_one_name_have_one_key(spelling):
    assert name_key(spelling) == "saint luke hospital"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("OB/GYN Associates", "Obstetrics & Gynecology Assoc."),
        ("Univ. of Texas Med. Ctr.", "University of Texas Medical Center"),
        ("Dubuque Orthopaedic Surgeons, PC", "Dubuque Orthopedic Surgeons"),
        ("First Choice Community Health Care", "First Choice Community Healthcare"),
        ("Hôpital São José", "Hopital Sao Jose"),
        ("Peter J. Oliva, M.D.", "Dr. Peter J Oliva MD"),
        ("Mt. Sinai", "Mount Sinai"),
    ],
)
def test_abbreviations_accents_and_titles_do_not_tell_names_apart(one, other):
    assert name_key(one) == name_key(other)


def test_credentials_are_part_of_a_name_unless_they_end_it():
    assert name_key("MD Anderson") == "md anderson"
    assert name_key("The University of Texas MD Anderson Cancer Center") == "university texas md anderson cancer center"
    assert name_key("Anderson, MD") == "anderson"


def test_a_name_of_nothing_but_common_words_keeps_them():
    assert name_key("The Clinic of") == "clinic"
    assert name_key("LLC") == "llc"
    assert name_key("---") == ""


def test_states_keep_their_s():
    assert words("Texas Kansas Arkansas") == ["texas", "kansas", "arkansas"]


@pytest.mark.parametrize(
    ("name", "acronym"),
    [
        ("Children's Hospital of Orange County (CHOC)", "CHOC"),
        ("University of Pittsburgh Medical Center (UPMC)", "UPMC"),
        ("Halifax OBGYN (TERMED)", ""),
        ("Laughlin Walk-In Care (NV)", ""),
        ("Mayo Clinic", ""),
        ("(ABC)", ""),
    ],
)
def test_an_acronym_in_brackets_is_another_name_when_it_is_the_initials(name, acronym):
    assert acronym_in(name) == acronym
