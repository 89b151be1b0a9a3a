"""What a patient does in a browser, step by step, on pages as they are."""

import re

from playwright.sync_api import Page, expect


def search_and_choose(page: Page, words: str, name: str) -> None:
    """Type into the search of the hosted page and choose a result by its name."""
    page.get_by_label("Find your hospital, clinic or health plan").fill(words)
    page.get_by_role("button", name="Search").click()
    page.locator("a.choice").filter(has_text=name).first.click()


def leave_for_portal(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Continue to")).click()
    expect(page.get_by_label("User name")).to_be_visible()


def log_in(page: Page, username: str = "patient") -> None:
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Allow")).to_be_visible()


def decide(page: Page, answer: str = "Allow", *, whose: str = "") -> None:
    """Press Allow or Deny; `whose` names the child whose record a parent shares."""
    if whose:
        page.get_by_label(re.compile(re.escape(whose))).check()
    page.get_by_role("button", name=answer).click(no_wait_after=True)


def see_connected(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=f"You are connected to {name}")).to_be_visible(timeout=20_000)


def finish(page: Page, label: str) -> None:
    page.get_by_role("button", name=f"Done — return to {label}").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
