"""What a patient does on the pages, step by step."""

import re

from playwright.sync_api import Page, expect


def search(page: Page, words: str) -> None:
    page.get_by_label("Find your hospital, clinic or health plan").fill(words)
    page.get_by_role("button", name="Search").click()


def choose(page: Page, name: str) -> None:
    page.get_by_role("link", name=re.compile(re.escape(name))).first.click()
    expect(page.get_by_role("heading", name="Sign in at your portal")).to_be_visible()


def leave(page: Page) -> None:
    """To the portal's own page, on another site."""
    page.get_by_role("button", name=re.compile("^Continue to")).click()
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def answer(page: Page, said: str) -> None:
    page.get_by_role("link", name=said).click()


def go_to_portal(page: Page, link: str, name: str = "Cleveland Clinic") -> None:
    page.goto(link)
    search(page, name)
    choose(page, name)
    leave(page)


def connect(page: Page, link: str, name: str = "Cleveland Clinic") -> None:
    go_to_portal(page, link, name)
    answer(page, "Allow")
    see_connected(page, name)


def see_connected(page: Page, name: str = "Cleveland Clinic") -> None:
    expect(page.get_by_role("heading", name=f"You are connected to {name}")).to_be_visible()


def done(page: Page) -> None:
    page.get_by_role("button", name="Done — return to TrialFinder").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
