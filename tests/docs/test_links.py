"""Links in everything people read lead somewhere. (The site's own pages are checked by its strict build.)"""

import re
from urllib.parse import urlsplit

import pytest
from django.urls import Resolver404, resolve

from connect.docs.printed import ROOT

FENCE = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"""\]\(([^)\s]+)|(?:href|src)=["']([^"']+)""")
# Pages that the site's build makes (docs/hooks.py).
MADE = {ROOT / "docs" / "reference" / "settings.md", ROOT / "docs" / "decisions" / "index.md"}
READ = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])


def links_of(path) -> list[str]:
    text = CODE.sub("", FENCE.sub("", path.read_text()))
    return [one or other for one, other in LINK.findall(text)]


@pytest.mark.parametrize("path", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    assert [link for link in links_of(path) if not leads_somewhere(link, path)] == []


def leads_somewhere(link: str, path) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme in ("https", "mailto")
    if parts.path.startswith("/"):
        return is_served(parts.path)
    target = (path.parent / parts.path).resolve() if parts.path else path
    if target in MADE:
        return True
    return target.exists() and (not parts.fragment or parts.fragment in anchors_of(target))


def is_served(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def anchors_of(page) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
