"""A scripted person at the review page: what they see, which keys they press, and how long that takes."""

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from accuracy_fields import is_same
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as TooSlow
from review_truth import Paper

from blocks.document_types.schema import DocumentType

MOST_WAIT_MS = 10_000
# Runs in the browser, before the page's own scripts. Times are the browser's: from the key to what follows it.
CLOCK = """
const at = () => performance.timeOrigin + performance.now()
const since = () => at() - Number(sessionStorage.getItem('person-key'))
let isWaiting = false
window.person = { id: null, waited: 0, ready: null, drawn: null }
addEventListener('keydown', () => { sessionStorage.setItem('person-key', at()); isWaiting = true }, true)
addEventListener('focusin', () => { if (isWaiting) { person.waited += since(); isWaiting = false } }, true)
let seen = null
function look() {
  requestAnimationFrame(look)
  const item = document.querySelector('#item[data-ready="1"]')
  if (!item || item === seen) return
  seen = item
  const own = { id: JSON.parse(item.dataset.state).id, waited: 0, ready: null, drawn: null }
  window.person = own
  requestAnimationFrame(() => {
    own.ready = since()
    const image = item.querySelector('.page img')
    const drawn = () => { own.drawn = since() }
    if (!image || image.complete) drawn()
    else { image.addEventListener('load', drawn); image.addEventListener('error', drawn) }
  })
}
requestAnimationFrame(look)
"""
SEEN = """() => {
  const has = document.activeElement, row = has?.closest?.('.field')
  const current = row ?? document.querySelector('.field.current')
  const control = current?.querySelector('.value'), grid = current?.querySelector('.grid')
  return {
    field: row?.dataset.field ?? null,
    current: current?.dataset.field ?? null,
    text: control?.value ?? '',
    rows: grid && [...grid.tBodies[0].rows].map(each => [...each.querySelectorAll('input')].map(cell => cell.value)),
    columns: grid?.dataset.columns.split(' ') ?? [],
    rivals: [...(current?.querySelectorAll('[data-rival]') ?? [])].map(each => each.dataset.rival),
    isTyping: has?.matches?.('input, textarea, select') ?? false,
    isAccept: has?.dataset?.action === 'accept',
    problem: current?.querySelector('.problem')?.textContent ?? '',
  }
}"""
ITEM = """() => ({
  name: document.querySelector('.document-name h1').textContent,
  type: document.querySelector('.document-name .tag').textContent,
  doubtful: document.querySelectorAll('.field.doubtful').length,
  reasons: document.querySelectorAll('.reasons li').length,
  shown: Object.fromEntries([...document.querySelectorAll('.field')].map(
    each => [each.dataset.field, each.querySelector('.value')?.value ?? ''])),
  types: [...document.querySelectorAll('#reclassify [data-choice]')].map(each => each.dataset.choice),
  ready: person.ready, drawn: person.drawn,
})"""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of a person, and the share of them that really passes."""

    key_s: float = 0.28
    document_s: float = 3.0
    field_s: float = 2.0
    search_s: float = 4.0
    pace: float = 0.1


@dataclass(slots=True)
class Cleared:
    """A document that was decided. `step_ms` and `drawn_ms` are the step to it; the first has none."""

    name: str
    doubtful: int
    shown: dict[str, str]
    step_ms: float | None
    drawn_ms: float | None
    keys: int = 0
    glances: int = 0
    searches: int = 0
    typed: int = 0
    taken: int = 0
    waited_ms: float = 0.0
    needed_mouse: bool = False
    is_reclassified: bool = False
    notes: list[str] = field(default_factory=list)

    def person_s(self, pace: Pace) -> float:
        """A person's seconds, by the model, with the measured waiting."""
        own = pace.document_s + self.glances * pace.field_s + self.searches * pace.search_s + self.keys * pace.key_s
        return own + self.waited_ms / 1000

    def row(self, pace: Pace) -> dict[str, Any]:
        """All of it, for a file."""
        return asdict(self) | {"person_s": round(self.person_s(pace), 2)}


class Lost(Exception):
    """A key did nothing: the keyboard alone does not get further."""


class Reviewer:
    """Clears documents, one after the other."""

    def __init__(
        self, chromium: Browser, address: str, known: Mapping[str, Paper], types: Mapping[str, DocumentType], pace: Pace
    ) -> None:
        context = chromium.new_context(base_url=address, viewport={"width": 1280, "height": 800})
        context.add_init_script(CLOCK)
        self._page: Page = context.new_page()
        self._page.set_default_timeout(60_000)
        self._known, self._types, self._pace = known, types, pace
        self._at = Cleared("", 0, {}, None, None)

    def log_in(self, name: str, password: str) -> None:
        """To the queue."""
        self._page.goto("/")
        self._page.keyboard.type(name)
        self._page.keyboard.press("Tab")
        self._page.keyboard.type(password)
        self._page.keyboard.press("Enter")
        self._page.wait_for_selector("#start")

    def clear(self, count: int) -> list[Cleared]:
        """Up to `count` documents of the queue."""
        cleared: list[Cleared] = []
        self._page.keyboard.press("Enter")
        while len(cleared) < count:
            self._page.wait_for_function(
                "() => document.querySelector('.queue') !== null"
                " || (person.drawn != null && location.pathname === `/items/${person.id}`)"
            )
            if "/items/" not in self._page.url:
                break
            cleared.append(self._one(is_first=not cleared))
        return cleared

    def _one(self, *, is_first: bool) -> Cleared:
        seen = self._page.evaluate(ITEM)
        step, drawn = (None, None) if is_first else (seen["ready"], seen["drawn"])
        self._at = Cleared(seen["name"], seen["doubtful"], seen["shown"], step, drawn)
        self._at.waited_ms += step or 0.0
        self._at.glances = seen["reasons"]
        self._pause(self._pace.document_s + seen["reasons"] * self._pace.field_s)
        paper = self._known[seen["name"]]
        here = self._page.url
        try:
            if seen["type"] != self._types[paper.document_type].title:
                self._reclassify(seen["types"].index(paper.document_type) + 1)
            else:
                self._walk(paper)
            self._page.wait_for_url(lambda url: url != here, timeout=MOST_WAIT_MS)
        except (Lost, TooSlow) as lost:
            self._at.needed_mouse = True
            self._at.notes.append(str(lost))
            self._page.mouse.click(*self._middle("[data-action=skip]"))
            self._page.wait_for_url(lambda url: url != here)
        return self._at

    def _reclassify(self, number: int) -> None:
        self._at.is_reclassified = True
        self._press("t")
        self._press(str(number))

    def _walk(self, paper: Paper) -> None:
        """Every doubtful field, then accept."""
        while True:
            seen = self._page.evaluate(SEEN)
            if seen["isAccept"]:
                self._at.waited_ms += self._page.evaluate("person.waited")
                return self._press("Enter")
            if seen["field"] is None:
                raise Lost("no field and no button has the focus")
            self._at.glances += 1
            self._pause(self._pace.field_s)
            offered = None
            if seen["rows"] is not None:
                self._table(paper, seen)
            if seen["rows"] is None and self._is_wrong(paper, seen):
                offered = self._offered(paper, seen)
                if offered is None:
                    self._correct(paper.truth[seen["field"]], seen)
            self._press("Enter" if offered is None else str(offered))
            self._page.wait_for_function(
                f"was => {{ const seen = ({SEEN})(); return seen.isAccept || seen.field !== was || seen.problem }}",
                arg=seen["field"],
                timeout=MOST_WAIT_MS,
            )
            now = self._page.evaluate(SEEN)
            if now["problem"] and now["field"] == seen["field"]:
                self._at.notes.append(f"{seen['field']}: {now['problem']}")
                raise Lost(now["problem"])

    def _is_wrong(self, paper: Paper, seen: Mapping[str, Any]) -> bool:
        truth = paper.truth.get(seen["field"])
        if truth is None:
            return False
        kind = self._types[paper.document_type].fields[seen["field"]].type
        return not (seen["text"] and is_same(kind, seen["text"], truth))

    def _offered(self, paper: Paper, seen: Mapping[str, Any]) -> int | None:
        """The key of the right value among those that the page offers."""
        kind = self._types[paper.document_type].fields[seen["field"]].type
        for key, rival in enumerate(seen["rivals"], start=1):
            self._at.glances += 1
            self._pause(self._pace.field_s)
            if is_same(kind, rival, paper.truth[seen["field"]]):
                self._at.taken += 1
                return key
        return None

    def _correct(self, truth: str, seen: Mapping[str, Any]) -> None:
        """Type the truth over what is shown."""
        self._at.searches += 1
        self._pause(self._pace.search_s)
        self._at.typed += 1
        if not seen["isTyping"]:
            self._press("c")
        elif seen["text"]:
            self._press("Control+a")
        self._type(truth)

    def _table(self, paper: Paper, seen: Mapping[str, Any]) -> None:
        """Cell by cell, as far as the last wrong one: Tab walks, and what is typed replaces a cell."""
        columns = self._types[paper.document_type].fields[seen["field"]].columns
        wrong = {
            (row, at)
            for row, wanted in enumerate(paper.rows)
            for at, name in enumerate(seen["columns"])
            if wanted.get(name)
            and not (
                row < len(seen["rows"])
                and seen["rows"][row][at]
                and is_same(columns[name].type, seen["rows"][row][at], wanted[name])
            )
        }
        extra = max(0, len(seen["rows"]) - len(paper.rows)) if paper.rows else 0
        self._at.glances += len(seen["rows"])
        self._pause(self._pace.field_s * len(seen["rows"]))
        if not wrong and not extra:
            return
        self._press("c")
        last = max(wrong, default=(0, 0))
        for row in range(last[0] + 1):
            for at, name in enumerate(seen["columns"]):
                if (row, at) in wrong:
                    self._at.searches += 1
                    self._pause(self._pace.search_s)
                    self._at.typed += 1
                    self._type(paper.rows[row][name])
                if (row, at) >= last:
                    break
                if at == len(seen["columns"]) - 1 and row + 1 >= len(seen["rows"]):
                    self._press("Alt+Enter")
                else:
                    self._press("Tab")
        for _ in range(len(seen["rows"]) - 1 - last[0] if extra else 0):
            self._press("ArrowDown")
        for _ in range(extra):
            self._press("Alt+Backspace")

    def _press(self, keys: str) -> None:
        count = len(keys.split("+"))
        self._at.keys += count
        self._pause(count * self._pace.key_s)
        self._page.keyboard.press(keys)

    def _type(self, text: str) -> None:
        count = len(text) + len(re.findall(r"[A-ZÄÖÜÉÈÀ][^a-zäöüß]*", text))
        self._at.keys += count
        self._pause(count * self._pace.key_s)
        self._page.keyboard.type(text)

    def _pause(self, seconds: float) -> None:
        time.sleep(seconds * self._pace.pace)

    def _middle(self, selector: str) -> tuple[float, float]:
        box = self._page.locator(selector).bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
