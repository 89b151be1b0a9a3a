"""A patient's browser at a foreign portal: follows redirects and fills in whatever form is shown, until it is sent back."""

import re
from urllib.parse import urljoin, urlsplit

import requests

BACK = "http://127.0.0.1:9000/"
STEPS = 16


def come_back_from(url: str) -> str:
    """Go to `url`, sign in, consent; the query string with which the portal sends the browser back to us."""
    browser = requests.Session()
    answer = browser.get(url, allow_redirects=False, timeout=20)
    for _ in range(STEPS):
        if answer.is_redirect:
            there = urljoin(answer.url, answer.headers["Location"])
            if there.startswith(BACK):
                return urlsplit(there).query
            answer = browser.get(there, allow_redirects=False, timeout=20)
            continue
        form = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', answer.text))
        action = re.search(r'action="([^"]+)"', answer.text)
        assert action, f"neither a form nor a way on: {answer.status_code}"
        if form.get("prompt") == "login":
            form |= {"login": "patient355", "password": "x"}
        answer = browser.post(urljoin(answer.url, action[1]), data=form, allow_redirects=False, timeout=20)
    raise AssertionError("the portal never sent the browser back")
