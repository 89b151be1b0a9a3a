"""What is looked at on any page: accessibility, width, weight."""

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

AXE = f"() => {{ {Axe().axe_script} }}"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"]
PICTURES = os.environ.get("BROWSER_PICTURES", "")  # a folder to keep screenshots in, to be looked at


def findings(page: Page, *, again: bool = False) -> list[str]:
    """What axe finds; `again`: of the rules whose answer changes with size and colours, on the page it has seen."""
    if not again:
        page.evaluate(AXE)
    run_only = {"type": "rule", "values": LOOKS} if again else {"type": "tag", "values": TAGS}
    found = page.evaluate("run_only => axe.run({runOnly: run_only, resultTypes: ['violations']})", run_only)
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def keep_picture(page: Page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)
