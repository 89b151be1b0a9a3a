"""What `docs/` shows of the code is what the code says."""

import hashlib
import re

from connect.docs.printed import ROOT, printed

DIAGRAMS = ROOT / "docs" / "diagrams"


def test_printed_pages_are_current():
    behind = [str(path.relative_to(ROOT)) for path, text in printed().items() if path.read_text() != text]
    assert behind == [], "Run `make printed`."


def test_drawings_are_of_the_present_diagrams():
    """`make diagrams` draws them again."""
    for source in DIAGRAMS.glob("*.mmd"):
        drawn = re.search(r"<!-- source (\w+) -->", source.with_suffix(".svg").read_text())
        assert drawn[1] == hashlib.sha256(source.read_bytes()).hexdigest(), f"{source.stem}: run `make diagrams`."


def test_every_lifecycle_has_its_diagram():
    assert {"attempt", "connection", "event", "patientflow", "pull"} <= {path.stem for path in DIAGRAMS.glob("*.mmd")}


def test_no_diagram_is_of_something_that_is_gone():
    assert set(DIAGRAMS.glob("*.mmd")) == {path for path in printed() if path.suffix == ".mmd"}
