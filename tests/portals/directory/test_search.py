"""Search as a patient meets it: what is typed, what comes first, and why."""

import pytest

from portals.directory.documents import Location, SearchDocument
from portals.directory.query import is_too_general
from portals.directory.search import CatalogueSearch

PHOENIX = Location("Phoenix", "AZ", "85054")
ROCHESTER = Location("Rochester", "MN", "55902")
HOUSTON = Location("Houston", "TX", "77030")
MADISON = Location("Madison", "WI", "53703")


def document(id, name, *locations, source=None, **more) -> SearchDocument:
    return SearchDocument(id, source or f"source-{id}", name, locations=locations, **more)


CATALOGUE = [
    document(1, "Mayo Clinic", ROCHESTER, type="epic", fhir_base_url="https://fhir.mayo.edu/r4"),
    document(2, "Mayo Clinic Arizona", PHOENIX, type="epic"),
    document(3, "Mayo Family Dentistry", HOUSTON),
    document(4, "Cleveland Clinic", type="epic", portal_url="https://mychart.clevelandclinic.org/login"),
    document(5, "St. Luke's Hospital", HOUSTON),
    document(6, "Saint Luke's Hospital", PHOENIX),
    document(7, "ExampleHealth Community Hospital", MADISON, brand="ExampleHealth", aliases=("GoodHealth Madison",)),
    document(8, "University of Pittsburgh Medical Center (UPMC)"),
    document(9, "Natoli, B / Natoli, L", Location("", "FL", ""), source="athena"),
    document(10, "Scott & Jonah Mds", Location("", "KY", ""), source="athena"),
    document(11, "Peter J. Oliva, M.D.", Location("", "NY", "")),
    document(12, "Urology Associates", HOUSTON),
    document(13, "Urology Associates", PHOENIX),
    document(14, "The University of Texas MD Anderson Cancer Center", HOUSTON),
    document(15, "CarolinaEast Health System"),
    document(16, "Associates in Obstetrics and Gyneco", Location("", "GA", "")),
    document(17, "Hôpital São José"),
    document(18, "Many Places Health", PHOENIX, HOUSTON, ROCHESTER),
    document(19, "Kaiser Permanente Hawaii"),
    document(20, "Children's Healthcare of Atlanta", Location("Atlanta", "GA", "30322")),
]


@pytest.fixture(scope="module")
def catalogue():
    return CatalogueSearch(CATALOGUE)


def names(hits):
    return [hit.name for hit in hits]


@pytest.mark.parametrize(
    ("typed", "first", "reason"),
    [
        ("mayo clinic", "Mayo Clinic", "exact_name"),
        ("Mayo Clinic Ariz", "Mayo Clinic Arizona", "name_prefix"),
        ("cleve", "Cleveland Clinic", "name_prefix"),
        ("goodhealth madison", "ExampleHealth Community Hospital", "alias"),
        ("examplehealth", "ExampleHealth Community Hospital", "name_prefix"),
        ("clinic cleveland", "Cleveland Clinic", "words"),
        ("clevland clinic", "Cleveland Clinic", "similar_spelling"),
        ("cleavlend clinc", "Cleveland Clinic", "similar_spelling"),
        ("kaizer hawaii", "Kaiser Permanente Hawaii", "similar_spelling"),
        ("univ of pitsburgh med ctr", "University of Pittsburgh Medical Center (UPMC)", "similar_spelling"),
        ("upmc", "University of Pittsburgh Medical Center (UPMC)", "alias"),
        ("mayo phoenix", "Mayo Clinic Arizona", "place"),
        ("mayo 85054", "Mayo Clinic Arizona", "place"),
        ("natoli", "Natoli, B / Natoli, L", "name_prefix"),
        ("dr oliva", "Peter J. Oliva, M.D.", "words"),
        ("md anderson", "The University of Texas MD Anderson Cancer Center", "words"),
        ("carolina east health", "CarolinaEast Health System", "name_prefix"),
        ("associates in obstetrics and gynecology", "Associates in Obstetrics and Gyneco", "exact_name"),
        ("hopital sao jose", "Hôpital São José", "exact_name"),
        ("childrens atlanta", "Children's Healthcare of Atlanta", "words"),
        ("anderson cancer ohio", "The University of Texas MD Anderson Cancer Center", "some_words"),
        ("houston md anderson cancer tx", "The University of Texas MD Anderson Cancer Center", "place"),
        ("cleveland clinic mychart", "Cleveland Clinic", "exact_name"),
        ("mychart login cleveland clinic", "Cleveland Clinic", "exact_name"),
    ],
)
def test_it_finds_what_was_meant_and_says_why(catalogue, typed, first, reason):
    best = catalogue.search(typed)[0]
    assert (best.name, best.why.reason) == (first, reason)


@pytest.mark.parametrize("typed", ["mychart", "My Chart", "patient portal", "mychart login "])
def test_what_every_portal_is_called_finds_nothing_that_only_looks_alike(catalogue, typed):
    assert is_too_general(typed)
    assert catalogue.search(typed) == []


def test_a_portal_that_is_listed_by_such_a_name_is_found():
    search = CatalogueSearch([document(1, "Example Hospital", aliases=("MyChart",)), document(2, "Mycare Clinic")])
    assert names(search.search("mychart")) == ["Example Hospital"]
    assert not is_too_general("mychart example")


def test_a_state_in_the_query_chooses_between_two_of_one_name(catalogue):
    assert names(catalogue.search("mayo az"))[0] == "Mayo Clinic Arizona"
    assert catalogue.search("urology associates arizona")[0].location == PHOENIX
    assert catalogue.search("urology associates tx")[0].location == HOUSTON


def test_st_and_saint_are_the_same_word(catalogue):
    both = {"St. Luke's Hospital", "Saint Luke's Hospital"}
    assert set(names(catalogue.search("st lukes"))[:2]) == both
    assert set(names(catalogue.search("saint luke's hosp"))[:2]) == both


@pytest.mark.parametrize(
    ("near", "place"),
    [
        ({"postal_code": "77030"}, HOUSTON),
        ({"postal_code": "77001"}, HOUSTON),
        ({"state": "TX"}, HOUSTON),
        ({"state": "arizona"}, PHOENIX),
        ({"city": "phoenix"}, PHOENIX),
        ({"city": "Houston", "state": "TX"}, HOUSTON),
    ],
)
def test_near_ones_come_first_and_far_ones_stay(catalogue, near, place):
    hits = catalogue.search("urology associates", **near)
    assert hits[0].location == place
    assert names(hits)[:2] == ["Urology Associates", "Urology Associates"]


def test_of_many_places_the_one_asked_for_is_shown(catalogue):
    assert catalogue.search("many places houston")[0].location == HOUSTON
    assert catalogue.search("many places", postal_code="55902")[0].location == ROCHESTER


def test_a_better_name_beats_a_nearer_one(catalogue):
    assert names(catalogue.search("mayo clinic", postal_code="77030"))[0] == "Mayo Clinic"


def test_every_letter_typed_brings_answers(catalogue):
    for length in range(2, len("cleveland clinic") + 1):
        assert "Cleveland Clinic" in names(catalogue.search("cleveland clinic"[:length]))


@pytest.mark.parametrize(
    "typed",
    [
        "https://fhir.mayo.edu/r4",
        "https://fhir.mayo.edu/r4/",
        "FHIR.mayo.edu/r4",
        "https://www.mayo.edu/patients",
        "mayo.edu",
    ],
)
def test_a_pasted_address_finds_its_owner(catalogue, typed):
    best = catalogue.search(typed)[0]
    assert (best.name, best.why.reason) == ("Mayo Clinic", "portal_address")


def test_an_email_address_finds_the_owner_of_its_domain(catalogue):
    best = catalogue.search("jane.doe@clevelandclinic.org")[0]
    assert (best.name, best.why) == ("Cleveland Clinic", ("email_domain", "clevelandclinic.org"))


def test_a_domain_nobody_holds_is_read_as_a_name(catalogue):
    assert names(catalogue.search("https://www.kaiserhawaii.com/login"))[0] == "Kaiser Permanente Hawaii"


def test_a_mailbox_provider_says_nothing_about_a_hospital(catalogue):
    assert catalogue.search("someone@gmail.com") == []


def test_recommended_ones_come_first_where_they_are_an_answer(catalogue):
    assert names(catalogue.search("mayo", recommended=["source-3"]))[0] == "Mayo Family Dentistry"
    assert "Mayo Family Dentistry" not in names(catalogue.search("natoli", recommended=["source-3"]))


def test_without_words_the_recommended_and_then_the_near_ones(catalogue):
    hits = catalogue.search("", recommended=["source-4"], postal_code="77030", limit=3)
    assert (hits[0].name, hits[0].why.reason) == ("Cleveland Clinic", "recommended")
    assert {hit.location for hit in hits[1:]} == {HOUSTON}
    assert catalogue.search("") == []


def test_a_type_keeps_one_vendors(catalogue):
    assert set(names(catalogue.search("clinic", type="epic"))) <= {
        "Mayo Clinic",
        "Mayo Clinic Arizona",
        "Cleveland Clinic",
    }
    assert names(catalogue.search("mayo", type="epic")) == ["Mayo Clinic", "Mayo Clinic Arizona"]


def test_practices_behind_one_url_are_each_found_by_name(catalogue):
    assert names(catalogue.search("natoli")) == ["Natoli, B / Natoli, L"]
    assert names(catalogue.search("scott jonah")) == ["Scott & Jonah Mds"]


def test_one_per_source_keeps_its_best_listing():
    shared = CatalogueSearch([document(n, f"Valley Clinic {n}", source="one") for n in range(5)])
    assert len(shared.search("valley clinic")) == 5
    assert len(shared.search("valley clinic", one_per_source=True)) == 1


def test_among_equals_the_popular_one_comes_first():
    twins = CatalogueSearch([document(1, "Lake Clinic"), document(2, "Lake Clinic", popularity=1.0)])
    assert [hit.id for hit in twins.search("lake clinic")] == [2, 1]


@pytest.mark.parametrize(
    "typed", ["qqqqzzz", "   ", "...", "🙂", "\x00", "a" * 5000, "((((", "mayo " * 100, "\\", '"', "+-*/"]
)
def test_odd_input_is_an_answer_or_none_but_no_error(catalogue, typed):
    assert isinstance(catalogue.search(typed), list)


def test_the_same_query_has_the_same_answer(catalogue):
    assert catalogue.search("hospital") == catalogue.search("hospital")


def test_an_empty_catalogue_has_no_answers():
    assert CatalogueSearch([]).search("mayo") == []


def test_the_limit_is_kept(catalogue):
    assert len(catalogue.search("clinic", limit=2)) == 2


def test_a_misspelt_word_for_portal_does_not_hide_the_name():
    search = CatalogueSearch([document(1, "Plain Portal"), document(2, "Interventional Pain Management")])
    assert [hit.name for hit in search.search("plain portl")][:1] == ["Plain Portal"]
