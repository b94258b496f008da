"""The review page for tests: a real server, a real Chromium, and documents that wait for a person."""

import hashlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from pydantic import JsonValue
from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.pipeline.documents import record_batch
from blocks.database.results.results import NewResult, write_results
from blocks.database.review import users
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.review.tables import review
from blocks.database.tables import stage_outputs
from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.files import media_types
from blocks.records import DiscoveredDocument, Evidence, Extraction, Rerun, Stage, Status, Validation, Words
from blocks.records import Page as DocumentPage
from blocks.review.records import ItemKind, Role
from blocks.settings import load_settings
from deployments.review_app.app import create_app
from deployments.review_app.passwords import hashed
from deployments.review_app.site import Site
from tests.doubles.drawn_pdf import drawn_pdf, text_page

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PASSWORD = "correct horse battery"
LINES = ("Example Ltd", "Invoice 4711", "Date 3 May 2024", "Flour 10.00", "Sugar 2.50", "Total 12.50")
ROWS: list[JsonValue] = [{"name": "Flour", "amount": "10.00"}, {"name": "Sugar", "amount": "2.50"}]
PAPER = DocumentType(
    name="paper",
    title="Paper",
    languages=("en",),
    fields={
        "number": DocumentField(type=FieldType.TEXT, required=True),
        "issued": DocumentField(type=FieldType.DATE, required=True),
        "total": DocumentField(type=FieldType.MONEY, required=True, hints=FieldHints(column_sum="rows.amount")),
        "kind": DocumentField(type=FieldType.ENUM, enum=("goods", "services")),
        "rows": DocumentField(
            type=FieldType.TABLE,
            columns={"name": DocumentField(type=FieldType.TEXT), "amount": DocumentField(type=FieldType.MONEY)},
        ),
    },
    review=ReviewRules(reject_reasons=("a duplicate", "not for us")),
)
TYPES = {"paper": PAPER, "letter": PAPER.model_copy(update={"name": "letter", "title": "Letter"})}
VALUES: dict[str, JsonValue] = {
    "number": "4711",
    "issued": "2024-05-03",
    "total": "12.50",
    "kind": "goods",
    "rows": ROWS,
}
QUOTES = {"number": "4711", "issued": "3 May 2024", "total": "12.50"}
CONFIDENCES = {"number": 0.9, "issued": 0.4, "total": 0.7, "kind": 0.95, "rows": 0.9}


@dataclass
class Paper:
    """A document with its file, and what was read of it."""

    file: Path
    lines: Sequence[str] = LINES
    values: Mapping[str, JsonValue] = field(default_factory=lambda: dict(VALUES))
    reasons: tuple[str, ...] = ("low_confidence:issued", "low_confidence:total")
    rules: ReviewRules = field(default_factory=lambda: PAPER.review)
    kind: ItemKind = ItemKind.VERDICT
    quotes: Mapping[str, str] = field(default_factory=lambda: dict(QUOTES))

    def store(self, database: Database, fingerprint: str = "f1") -> int:
        """Write the file, what the stages made of it, and the review item; returns the item's id."""
        document_id, page = self._record(database)
        verdict = Validation(
            document_type="paper",
            status=Status.IN_REVIEW,
            confidence=0.4,
            reasons=self.reasons,
            fields=dict(self.values),
            confidences=CONFIDENCES,
            evidence={
                name: (Evidence(page=1, quote=quote),) for name, quote in self.quotes.items() if quote in page.text
            },
        )
        at = datetime.now(UTC)
        with database.write() as connection:
            write_results(database, connection, "run-1", [NewResult(document_id, fingerprint, verdict, False)], at)
            drawn_with = 0.1 if self.kind is ItemKind.AUDIT else None
            need = ReviewNeed(document_id, fingerprint, verdict, self.rules, self.kind, drawn_with)
            sync_review(database, connection, "run-1", [need], [], at)
            query = select(review.c.review_id).where(review.c.document_id == document_id, review.c.status == "open")
            return int(connection.execute(query).scalar_one())

    def _record(self, database: Database) -> tuple[str, DocumentPage]:
        is_pdf = self.file.suffix == ".pdf"
        content = drawn_pdf(text_page(*self.lines)) if is_pdf else "\n".join(self.lines).encode()
        content += f"\n% {self.file.name}".encode()  # so that no two files are the same document
        self.file.write_bytes(content)
        document_id = hashlib.sha256(content).hexdigest()
        media_type = media_types.PDF if is_pdf else media_types.TEXT
        found = DiscoveredDocument(document_id, str(self.file), media_type, len(content))
        record_batch(database, "run-1", [found], given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100)
        page = _page(self.lines, is_pdf)
        extraction = Extraction(media_type=media_type, pages=(page,), engine="double 1", language="eng")
        row = {
            "document_id": document_id,
            "stage": Stage.EXTRACT,
            "fingerprint": "e",
            "state": "done",
            "is_current": True,
            "payload": extraction.model_dump_json().encode(),
            "attempts": 1,
            "solo_attempts": 0,
            "run_id": "run-1",
            "updated_at": datetime.now(UTC),
        }
        with database.write() as connection:
            connection.execute(database.insert(stage_outputs).on_conflict_do_nothing(), row)
        return document_id, page


def _page(lines: Sequence[str], is_pdf: bool) -> DocumentPage:
    """A page whose words stand where `text_page` draws them, roughly: Helvetica 10 takes 5 points per letter."""
    text = "\n".join(lines)
    if not is_pdf:
        return DocumentPage(number=1, method="parsed", text=text)
    spans, boxes, at = [], [], 0
    for number, line in enumerate(lines):
        start = 0
        for word in line.split():
            start = line.index(word, start)
            x, y = 50 + 5.0 * start, 52.0 + 14 * number
            spans.append((at + start, at + start + len(word)))
            boxes.append((x, y, x + 5.0 * len(word), y + 11))
            start += len(word)
        at += len(line) + 1
    words = Words(spans=tuple(spans), boxes=tuple(boxes))
    return DocumentPage(number=1, method="text_layer", text=text, width=595.3, height=841.9, words=words)


@cache
def password_hash() -> str:
    """The hash of `PASSWORD`."""
    return hashed(PASSWORD)


@pytest.fixture
def site(sqlite_database: Database, tmp_path: Path) -> Site:
    """The page's site, with a user per role and two more reviewers, ann and bob."""
    for name, role in [*((str(role), role) for role in Role), ("ann", Role.REVIEWER), ("bob", Role.REVIEWER)]:
        users.add_user(sqlite_database, name, role, password_hash())
    settings = load_settings().model_copy(update={"processes": 1})
    return Site.of(sqlite_database, TYPES, settings, pictures=tmp_path / "pictures")


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """The address of a server of the page."""
    config = uvicorn.Config(create_app(site), port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < until, "the server does not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Of a module's scope: while it is there, its thread has a running event loop."""
    assert Path(CHROMIUM).exists(), "install Debian's package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def log_in(browser: Browser, address: str, name: str, path: str = "/", scheme: str = "light") -> Page:
    """A page of a person who has logged in and is at `path`."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": 1280, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(path)
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    return page


def ready(page: Page) -> None:
    """Wait until the item page's script listens and its claim is answered."""
    page.wait_for_selector("#item[data-ready='1'][data-claim]")


def violations(page: Page) -> list[str]:
    """What axe finds, with the elements."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:300]}" for rule in found for node in rule["nodes"]
    ]
