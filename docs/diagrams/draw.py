"""Draw every `.mmd` here as an `.svg` beside it: `make diagrams` (needs npm's mermaid and Chromium).

Each drawing ends with the SHA-256 of its source, by which a test sees that it is current.
"""

import hashlib
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SETTINGS = """{startOnLoad: false, theme: 'neutral', htmlLabels: false, flowchart: {htmlLabels: false, wrappingWidth: 400},
  fontFamily: 'system-ui, sans-serif'}"""


def seal(source: str) -> str:
    return f"<!-- source {hashlib.sha256(source.encode()).hexdigest()} -->"


def draw(mermaid_js: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page()
        page.set_content("<!doctype html><body></body>")
        page.add_script_tag(path=mermaid_js)
        page.evaluate(f"() => mermaid.initialize({SETTINGS})")
        for source in sorted(HERE.glob("*.mmd")):
            text = source.read_text()
            result = page.evaluate("([id, text]) => mermaid.render(id, text)", [f"d-{source.stem}", text])
            svg = result["svg"].replace('style="max-width', 'style="background:#fff;max-width', 1)
            source.with_suffix(".svg").write_text(f"{svg}\n{seal(text)}\n")
        browser.close()


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
