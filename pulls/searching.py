"""One search of a plan: its pages in order, with a mark after each (contract 5.1)."""

import re
import time
from collections.abc import Callable

from django.db import transaction

from pulls import budgets, calls
from pulls.calls import PLAIN_JSON, Answer, Verdict
from pulls.compartment import FOLLOWED
from pulls.earlier import PAGES_AHEAD, EarlierPage, EarlierPages
from pulls.fhir.links import LinkRefused, follow, step_over
from pulls.fhir.outcomes import PAGING_EXPIRED, Issue, has, read_outcome, wants_category, what_lacks
from pulls.fhir.pages import Entry, NotFhir, read_page
from pulls.fhir.pages import Page as FhirPage
from pulls.fhir.references import Reference as FhirReference
from pulls.fhir.references import normalise, references_of_all
from pulls.models import Page, Pull, Search
from pulls.plans import PAGE_SIZE, search_url
from pulls.store import Arrived, keys_of, url_hash
from pulls.targets import Fetched, Target

COUNT = re.compile(r"_count=([0-9]{1,6})")
MOST_OUTCOMES = 20
MOST_LOST_PAGES = 20
MOST_MISREAD = 2
EMPTY = "empty"
TIMED_OUT = {"read_timeout", "deadline", "http_504"}
# How far a thread follows the links of a search by itself before its pages are stored: the first page comes alone, so
# that it can be read soon; what a crash can cost, and what waits in memory, stays small.
MOST_PAGES_AT_ONCE = 16
MOST_BYTES_AT_ONCE = 2 * 1024 * 1024
MOST_SECONDS_AT_ONCE = 0.25


class SearchTarget(Target):
    """What a run fetches for one search: the URL of its next page, and what to do with the answer."""

    def __init__(self, pull: Pull, search: Search, earlier: EarlierPages):
        super().__init__(pull, search.next_url or first_url(pull, search))
        self.search = search
        self.earlier = earlier
        self.known, self.known_until = earlier.of(search, search.pages), search.pages + PAGES_AHEAD
        self.base = pull.connection.source.fhir_base_url
        self.misread = 0
        self.asks_for_less = False
        self.pages_at_once = 1
        self.fetched_contents: set[bytes] = set()
        pages = Page.objects.filter(search=search) if search.pages else Page.objects.none()
        rows = list(pages.values_list("url_hash", "keys"))
        self.seen = {bytes(url_hash) for url_hash, _ in rows}
        self.seen_contents = {bytes(keys) for _, keys in rows if keys}

    def may_read_again(self) -> bool:
        """Count a body that was cut short or is something else; False when there were enough in a row."""
        self.misread += 1
        return self.misread <= MOST_MISREAD

    def fetch(self, token: str) -> list[Fetched]:
        """In a thread: the page, and those its links lead to while all is plain, as long as they come quickly."""
        fetched, url, began, size = [], self.url, time.monotonic(), 0
        while url:
            answer = calls.get(url, token, accept=self.accept, policy=self.policy)
            content = self._content(answer)
            fetched.append(Fetched(url, answer, content))
            size += len(answer.body)
            following = self._plainly_next(content, url)
            is_enough = len(fetched) >= self.pages_at_once or size > MOST_BYTES_AT_ONCE
            url = None if is_enough or time.monotonic() - began > MOST_SECONDS_AT_ONCE else following
        return fetched

    def _content(self, answer: Answer) -> FhirPage | NotFhir | None:
        """What a body holds, or why it is no page; None where there is none to read."""
        try:
            return read_page(answer.body, known=self.known) if answer.verdict == Verdict.OK else None
        except NotFhir as fault:
            return fault

    def _plainly_next(self, content: FhirPage | NotFhir | None, here: str) -> str | None:
        """The next page's URL, where nothing in this one calls for a second thought."""
        if not isinstance(content, FhirPage) or not content.contents or content.outcomes or not content.next_url:
            return None
        is_repeated = content.contents in self.fetched_contents
        self.fetched_contents.add(content.contents)
        try:
            following = follow(content.next_url, here=here, base=self.base)
        except LinkRefused:
            return None
        return None if is_repeated or url_hash(following) in self.seen else following

    def read(self, fetched: Fetched) -> Arrived | Callable[[], None]:
        """Judge the answer and find the next page."""
        here, answer = self.url, fetched.answer
        self.has_more, self.was_unauthorized, self.tries, self.waits = False, False, 0, 0
        match answer.verdict:
            case Verdict.OK:
                return self._read_page(here, answer, fetched.content)
            case Verdict.UNACCEPTABLE if answer.status == 406 and self.accept != PLAIN_JSON:
                return self._ask_for_plain_json()
            case Verdict.UNACCEPTABLE:
                return self._try_otherwise(answer, read_outcome(answer.body))
            case Verdict.REFUSED:
                issues = read_outcome(answer.body) if answer.body else []
                return self._end(Search.Status.REFUSED, answer.reason, issues)
            case Verdict.MISSING if not self.search.pages:
                return self._end(Search.Status.SKIPPED, answer.reason)
            case Verdict.TOO_LARGE if smaller := with_smaller_pages(self.search):
                return self._ask_for_less(smaller)
            case Verdict.UNAVAILABLE if self._may_shrink(answer) and (smaller := with_smaller_pages(self.search)):
                return self._ask_for_less(smaller)
            case Verdict.UNAVAILABLE | Verdict.BUSY | Verdict.TOO_LARGE if over := self._step_over(here):
                return self._lose_page(over, answer.reason)
        return self._break_off(answer.reason) if self.search.pages else self._end(Search.Status.FAILED, answer.reason)

    def _read_page(self, here: str, answer: Answer, content: FhirPage | NotFhir) -> Arrived | Callable[[], None]:
        if isinstance(content, NotFhir):
            return self._misread(here, answer, content.reason)
        page, earlier = content, self.known.get(content.contents) if content.unread else None
        if earlier is None:
            page.read_entries()
        if has(page.outcomes, PAGING_EXPIRED) and not self.search.restarted:
            return self._restart()
        if page.kind == "outcome":
            return self._try_otherwise(answer, page.outcomes)
        if page.is_empty and not self.search.pages and wants_category(page.outcomes) and self.search.fallbacks:
            return self._try_otherwise(answer, page.outcomes)
        if self.asks_for_less and not self.search.pages and (size := COUNT.search(self.search.query)):
            budgets.remember_page_size(self.pull.portal_key, self.search.resource_type, int(size[1]))
        return self._keep(here, page, len(answer.body), earlier)

    def _misread(self, here: str, answer: Answer, reason: str) -> Callable[[], None]:
        """A body that is no FHIR: a web page in place of a type the gateway does not know (Blue Button), or a page that
        was cut short, which is read again before it is given up."""
        if "html" in answer.content_type and not self.search.pages:
            return self._end(Search.Status.SKIPPED, reason)
        if self.may_read_again():
            self.has_more = True
            return lambda: None
        if over := self._step_over(here):
            return self._lose_page(over, reason)
        return self._break_off(reason) if self.search.pages else self._end(Search.Status.FAILED, reason)

    def _keep(self, here: str, page: FhirPage, size: int, earlier: EarlierPage | None) -> Arrived | Callable[[], None]:
        ours, strangers = self._split(page.entries)
        keys = earlier.keys if earlier else keys_of(ours)
        if keys and keys in self.seen_contents:  # the portal ignores where we are: its links would go on for ever
            return self._end(Search.Status.PARTIAL, "page_repeated")
        self.seen_contents.add(keys)
        self.misread = 0
        self.pages_at_once = min(2 * self.pages_at_once, MOST_PAGES_AT_ONCE)
        is_plain = not (strangers or page.unreadable or page.outcomes)
        texts = [raw for _, raw, _ in page.unread] if earlier else [entry.raw for entry in ours]
        matches = page.matches if is_plain else sum(entry.mode == "match" for entry in ours)
        self._move_on(here, page, len(texts), matches)
        row = Page(
            search=self.search, number=self.search.pages, url_hash=url_hash(here), keys=keys, entries=len(texts),
            contents=page.contents if is_plain else b"", bytes=size,
        )  # fmt: skip
        return Arrived(
            ours, references_to_follow(texts, self.base), search=self.search, page=row, damaged=page.unreadable,
            strangers=len(strangers), earlier=earlier, unread=page if earlier else None,
        )  # fmt: skip

    def _move_on(self, here: str, page: FhirPage, count: int, matches: int) -> None:
        """Count the page and set the marks to after it, in memory: they are saved with what it brought."""
        marks = self._marks(here, page)
        self.search.pages += 1
        self.search.fetched += matches
        self.search.included += count - matches
        self.search.unreadable += len(page.unreadable)
        for name, value in marks.items():
            setattr(self.search, name, value)
        if self.search.pages + MOST_PAGES_AT_ONCE > self.known_until:
            self.known = self.earlier.of(self.search, self.search.pages)
            self.known_until = self.search.pages + PAGES_AHEAD

    def _marks(self, here: str, page: FhirPage) -> dict:
        """The columns that move with this page: where the search stands after it."""
        codes = list(dict.fromkeys([*self.search.outcomes, *(issue.name for issue in page.outcomes)]))
        marks = {
            "expected": self._expected(page),
            "outcomes": codes[:MOST_OUTCOMES],
            "next_url": None,
            "error": self.search.error,
        }
        if lacking := what_lacks(page.outcomes):
            marks["error"] = lacking
        try:
            following = follow(page.next_url, here=here, base=self.base) if page.next_url else None
            if following and url_hash(following) in self.seen:
                raise LinkRefused("loop")
        except LinkRefused as refusal:
            return marks | {"status": Search.Status.PARTIAL, "error": f"next_link_{refusal.reason}"}
        self.seen.add(url_hash(here))
        if following:
            self.url, self.has_more = following, True
            return marks | {"status": Search.Status.RUNNING, "next_url": following} | self._if_empty(page)
        return marks | self._last(page, marks["error"])

    def _if_empty(self, page: FhirPage) -> dict:
        """A page of nothing after others: whether it was lost, the total tells at the end."""
        if not page.is_empty or page.unreadable:
            return {}
        return {"lost_pages": [*self.search.lost_pages, {"page": self.search.pages + 1, "reason": EMPTY}]}

    def _last(self, page: FhirPage, error: str | None) -> dict:
        """The marks of a search that has seen its last page."""
        expected = self._expected(page) or 0
        is_short = self.search.fetched + page.matches + self.search.unreadable + len(page.unreadable) < expected
        seen = self._if_empty(page).get("lost_pages", self.search.lost_pages) if self.search.pages else []
        lost = [each for each in seen if is_short or each["reason"] != EMPTY]
        if lost or error:
            return {"status": Search.Status.PARTIAL, "error": error or "pages_lost", "lost_pages": lost}
        return {"status": Search.Status.DONE, "lost_pages": lost}

    def _expected(self, page: FhirPage) -> int | None:
        return page.total if page.total is not None else self.search.expected

    def _split(self, entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
        """Entries that may be this patient's, and those that name somebody else (never stored)."""
        ours, strangers = [], []
        for entry in entries:
            (ours if self._may_be_ours(entry) else strangers).append(entry)
        return ours, strangers

    def _may_be_ours(self, entry: Entry) -> bool:
        patient = self.pull.connection.fhir_patient_id
        if entry.head.type == "Patient":
            return entry.head.id == patient
        named = [normalise(subject, self.base) for subject in entry.head.subjects]
        return all(found.id == patient for found in named if found and found.type == "Patient")

    def _try_otherwise(self, answer: Answer, issues: list[Issue]) -> Callable[[], None]:
        """The portal does not take this query: go on with the next way of the plan, or give the search up."""
        if self.search.pages == 0 and self.search.fallbacks:
            return self._next_way()
        reason = issues[0].name if issues else answer.reason
        if answer.verdict != Verdict.UNACCEPTABLE:
            return self._end(self._broken_off(), reason, issues)
        not_offered = self.search.is_one_of_several or not self.search.is_listed
        return self._end(Search.Status.SKIPPED if not_offered else Search.Status.REFUSED, reason, issues)

    def _next_way(self) -> Callable[[], None]:
        """Ask in another way: this search takes the way's first query, a new one each of the others."""
        (query, *others), *later = self.search.fallbacks
        self.search.query, self.search.fallbacks, self.search.next_url = query, later, None
        self.search.is_one_of_several = bool(others)
        self.url, self.has_more = first_url(self.pull, self.search), True

        return lambda: self._go_on_with(others)

    def _go_on_with(self, queries: list[str]) -> None:
        """Save this search, and make one of each further query of its type."""
        with transaction.atomic():
            self.pull.hold()
            self.search.save()
            new = [self._sibling(query, order) for order, query in enumerate(queries, self.search.order + 1)]
            self.siblings = [
                SearchTarget(self.pull, search, self.earlier) for search in Search.objects.bulk_create(new)
            ]

    def _sibling(self, query: str, order: int) -> Search:
        return Search(
            pull=self.pull, resource_type=self.search.resource_type, order=order, query=query,
            is_typed=self.search.is_typed, is_listed=self.search.is_listed, is_one_of_several=True,
        )  # fmt: skip

    def _ask_for_plain_json(self) -> Callable[[], None]:
        """406: the portal knows no FHIR media type (Oracle); the same page once more."""
        self.accept, self.has_more = PLAIN_JSON, True
        return lambda: None

    def _restart(self) -> Callable[[], None]:
        """The portal forgot the paging session (Epic 4113): once more from the first page; nothing is stored twice."""
        self.search.start_over(restarted=True)
        self.url, self.has_more = first_url(self.pull, self.search), True
        self.seen, self.seen_contents = set(), set()

        def start_over() -> None:
            with transaction.atomic():
                self.pull.hold()
                self.search.forget_pages()
                self.search.save()

        return start_over

    def _step_over(self, here: str) -> str | None:
        return (
            step_over(here, page_size=self.pull.connection.source.overrides.get("page_size", PAGE_SIZE))
            if self.search.pages
            else None
        )

    def _lose_page(self, over: str, reason: str) -> Callable[[], None]:
        """A page that cannot be had does not cost the pages after it, where their addresses can be told."""
        self.search.lost_pages = [
            *self.search.lost_pages,
            {"page": self.search.pages + 1, "reason": reason},
        ]
        self.search.pages += 1
        if sum(each["reason"] != EMPTY for each in self.search.lost_pages) > MOST_LOST_PAGES:
            return self._end(Search.Status.PARTIAL, reason)
        self.search.next_url, self.search.error = over, reason
        self.url, self.has_more = over, True
        return self._save

    def _save(self) -> None:
        """Write the search's marks, unless the pull is another's by now. Raises LeaseLost."""
        with transaction.atomic():
            self.pull.hold()
            self.search.save()

    def _may_shrink(self, answer: Answer) -> bool:
        """Whether it was the time that ran out, and smaller pages have not been tried yet."""
        return answer.reason in TIMED_OUT and not self.asks_for_less

    def _ask_for_less(self, query: str) -> Callable[[], None]:
        """A page that is larger than we take, or takes the portal too long: the same in smaller pages."""
        self.search.query, self.asks_for_less = query, True
        self.url, self.has_more = first_url(self.pull, self.search), True
        return self._save

    def _break_off(self, reason: str) -> Callable[[], None]:
        """A page cannot be had and the links after it are unknown: the search ends here. Where the type can be asked for
        in parts too, those are asked: each has a first page."""
        lost = {"page": self.search.pages + 1, "reason": reason, "and_all_after": True}
        self.search.lost_pages = [*self.search.lost_pages, lost]
        parts = next((way for way in self.search.fallbacks if len(way) > 1), [])
        self.search.fallbacks = []
        end = self._end(Search.Status.PARTIAL, reason)
        return (lambda: self._go_on_with(parts)) if parts else end

    def _broken_off(self) -> str:
        return Search.Status.PARTIAL if self.search.pages else Search.Status.FAILED

    def _end(self, status: str, reason: str, issues: list[Issue] | None = None) -> Callable[[], None]:
        self.search.status, self.search.error = status, reason[:200]
        self.search.outcomes = list(dict.fromkeys([*self.search.outcomes, *(i.name for i in issues or [])]))[
            :MOST_OUTCOMES
        ]
        return self._save


def with_smaller_pages(search: Search) -> str | None:
    """The query with a tenth of its page size, before its first page has come; None where that cannot help."""
    size = COUNT.search(search.query)
    if search.pages or size is None or int(size[1]) == 1:
        return None
    return COUNT.sub(f"_count={max(1, int(size[1]) // 10)}", search.query)


def first_url(pull: Pull, search: Search) -> str:
    """The URL of a search's first page."""
    connection = pull.connection
    return search_url(
        connection.source.fhir_base_url, search.resource_type, search.query, connection.fhir_patient_id,
        typed=search.is_typed,
    )  # fmt: skip


def references_to_follow(texts: list[bytes], base: str) -> list[tuple[str, str, bool]]:
    """What these resources only point at and is worth reading: `(type, target, is a document)`."""
    return [
        (found.type or "Binary", target_of(found), found.is_attachment)
        for found in references_of_all(texts, base)
        if found.is_attachment or (found.type in FOLLOWED and not found.is_foreign)
    ]


def target_of(found: FhirReference) -> str:
    return f"{found.type}/{found.id}" if found.type else found.url
