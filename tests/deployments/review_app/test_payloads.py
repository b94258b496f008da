"""Fifty texts of script and formula through every route of the page: they are shown, and are nothing but text."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from pydantic import JsonValue
from sqlalchemy import select
from starlette.testclient import TestClient

from blocks.database.engine import Database, close_database, open_database
from blocks.database.pipeline.documents import record_batch
from blocks.database.results.results import NewResult, write_results
from blocks.database.review import users
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.review.sessions import open_session
from blocks.database.review.tables import review
from blocks.database.tables import stage_outputs
from blocks.files import media_types
from blocks.records import DiscoveredDocument, Evidence, Extraction, Page, Rerun, Stage, Status, Validation
from blocks.review.records import Role
from blocks.settings import load_settings
from blocks.values.typed_values import squeeze
from deployments.review_app.app import create_app
from deployments.review_app.call import SESSION_COOKIE, Call
from deployments.review_app.gate import HEADERS
from deployments.review_app.rate_limit import RateLimit
from deployments.review_app.routes import ROUTES
from deployments.review_app.site import Site
from tests.payloads import PAYLOADS
from tests.review_items import AT
from tests.review_page import PAPER, TYPES

OWN = "/items/{id:int}"
ADDRESSES = ("href", "src", "action", "formaction", "data-href", "srcset")


@dataclass
class Shown(HTMLParser):
    """What a page is made of: its elements with their attributes' names, its addresses, all of its text."""

    elements: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    state: str | None = None

    @classmethod
    def of(cls, html: str) -> "Shown":
        page = cls()
        HTMLParser.__init__(page)
        page.feed(html)
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements |= {(tag, (name,)) for name, _ in attrs} or {(tag, ())}
        for name, value in attrs:
            self.texts.append(value or "")
            if name in ADDRESSES:
                self.addresses.append(value or "")
            if name == "data-state":
                self.state = value

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def has(self, text: str) -> bool:
        return squeeze(text) in squeeze(" ".join(["".join(self.texts), *self.texts]))


@dataclass
class Visit:
    """A person's requests, and the answer of each route."""

    client: TestClient
    csrf: str
    answers: dict[str, httpx2.Response] = field(default_factory=dict)

    def __call__(self, route: str, address: str, body: object = None) -> httpx2.Response:
        method = route.split(maxsplit=1)[0]
        assert route in {f"{known.method} {known.path}" for known in ROUTES}
        answer = self.client.request(method, address, json=body, headers={"X-CSRF-Token": self.csrf})
        self.answers[f"{route} of {address}"] = answer
        return answer


Elements = set[tuple[str, tuple[str, ...]]]


@pytest.fixture(scope="module")
def site(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A page that compiles its templates once, and lets a person ask as often as a test does."""
    folder = tmp_path_factory.mktemp("site")
    database = open_database(f"sqlite:///{shutil.copy(sqlite_template, folder)}")
    users.add_user(database, "sue", Role.SENIOR, None)
    site = Site.of(database, TYPES, load_settings(), pictures=folder / "pages")
    yield replace(site, requests=RateLimit(per_second=1_000_000, burst=1_000_000))
    close_database(database)


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[TestClient]:
    with TestClient(create_app(site), follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def ordinary(client: TestClient, site: Site) -> Elements:
    """The elements of every page about a harmless text."""
    answers = go_everywhere(client, site, "ordinary")
    pages = [answer for answer in answers.values() if is_html(answer)]
    assert len(pages) > 10
    return set().union(*(Shown.of(answer.text).elements for answer in pages))


_numbers = count()


def store(database: Database, text: str, document_type: str = "paper") -> int:
    """A document with this text wherever a document's text can get; returns its review item."""
    document_id = hashlib.sha256(f"{next(_numbers)}".encode()).hexdigest()
    found = DiscoveredDocument(document_id, f"/in/{text}", media_types.TEXT, 10)
    record_batch(database, "run-1", [found], given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100)
    page = Page(number=1, method="parsed", text=f"Example\nbefore {text} behind\n{text}")
    extraction = Extraction(media_type=media_types.TEXT, pages=(page,), engine="double 1", language="eng")
    output = {
        "document_id": document_id,
        "stage": Stage.EXTRACT,
        "fingerprint": "e",
        "state": "done",
        "is_current": True,
        "payload": extraction.model_dump_json().encode(),
        "attempts": 1,
        "solo_attempts": 0,
        "run_id": "run-1",
        "updated_at": AT,
    }
    value = squeeze(text)
    rows: list[JsonValue] = [{"name": value, "amount": "1.00", text: text}]
    verdict = Validation(
        document_type=document_type,
        status=Status.IN_REVIEW,
        confidence=0.4,
        reasons=("low_confidence:number", f"invalid:issued:{text}", f"contradiction:{text}", f"failed:{text}", text),
        fields={"number": value, "issued": None, "total": "1.00", "kind": "goods", "rows": rows, text: text},
        confidences={"number": 0.4, "issued": 0.1, "total": 0.9, text: 0.5},
        evidence={name: (Evidence(page=1, quote=text),) for name in ("number", "total", text)},
    )
    with database.write() as connection:
        connection.execute(database.insert(stage_outputs), output)
        write_results(database, connection, "run-1", [NewResult(document_id, "f", verdict, provisional=False)], AT)
        sync_review(database, connection, "run-1", [ReviewNeed(document_id, "f", verdict, PAPER.review)], [], AT)
        query = select(review.c.review_id).where(review.c.document_id == document_id)
        return int(connection.execute(query).scalar_one())


def go_everywhere(client: TestClient, site: Site, text: str) -> dict[str, httpx2.Response]:
    """Every route with this text in its documents, in what a person sends, and in the address."""
    database = site.database
    token = open_session(database, "sue")
    client.cookies.set(SESSION_COOKIE, token)
    visit = Visit(client, Call(site, token, "").csrf)
    item, rejected, unknown = store(database, text), store(database, text), store(database, text, text)
    work(visit, text, item, rejected)
    look(visit, text, item, rejected, unknown)
    for waiting in (item, unknown):  # the next text finds an empty queue
        body = {"version": 1, "action": "reject", "reason": text}
        assert visit(f"POST {OWN}/decide", f"/items/{waiting}/decide", body).status_code == 200
    with database.read() as connection:
        document_id = connection.execute(select(review.c.document_id).where(review.c.review_id == item)).scalar_one()
    assert shows(visit("GET /documents/{document_id}", f"/documents/{document_id}"), text)
    leave(visit, text)
    return visit.answers


def work(visit: Visit, text: str, item: int, rejected: int) -> None:
    """What a person sends."""
    part = quote(text, safe="")
    visit("POST /strip/claim", "/strip/claim", {"ids": [item]})
    visit(f"POST {OWN}/judge", f"/items/{item}/judge", {"version": 1, "field": text, "judgement": text})
    visit(f"POST {OWN}/unjudge", f"/items/{item}/unjudge", {"field": text})
    assert shows(visit("GET /strip", "/strip?type=paper&field=number"), text)
    visit("GET /strip", f"/strip?type={part}&field={part}&kind={part}&after={part}")
    visit(f"GET {OWN}/cutouts/{{field}}", f"/items/{item}/cutouts/{part}")
    visit("POST /strip/release", "/strip/release", {"ids": [item, text]})
    assert visit(f"POST {OWN}/claim", f"/items/{item}/claim", {"version": text}).status_code == 200
    checked = visit(f"POST {OWN}/check", f"/items/{item}/check", {"field": "number", "value": text})
    assert checked.json()["value"] == squeeze(text)
    visit(f"POST {OWN}/check", f"/items/{item}/check", {"field": text, "value": text})
    visit(f"POST {OWN}/check", f"/items/{item}/check", {"field": "rows", "column": text, "value": text})
    for action in ("escalate", "return"):
        body = {"version": 1, "action": action, "note": text}
        assert visit(f"POST {OWN}/decide", f"/items/{item}/decide", body).status_code == 200
    visit(f"POST {OWN}/decide", f"/items/{item}/decide", {"version": 1, "action": text})
    visit(f"POST {OWN}/decide", f"/items/{item}/decide", {"version": 1, "action": "reclassify", "document_type": text})
    body = {"version": 1, "action": "reject", "reason": text}
    assert visit(f"POST {OWN}/decide", f"/items/{rejected}/decide", body).status_code == 200
    visit(f"POST {OWN}/undo", f"/items/{rejected}/undo", {"note": text})
    visit(f"POST {OWN}/decide", f"/items/{rejected}/decide", body)
    visit(f"POST {OWN}/release", f"/items/{item}/release", {})
    visit("POST /next", f"/next?text={part}&type={part}", {"after": item})
    visit("POST /start", f"/start?text={part}&reason={part}")


def look(visit: Visit, text: str, item: int, rejected: int, unknown: int) -> None:
    """What a person looks at."""
    part = quote(text, safe="")
    visit(f"GET {OWN}/words/{{page:int}}", f"/items/{item}/words/1")
    visit(f"GET {OWN}/pages/{{page:int}}", f"/items/{item}/pages/1")
    visit(f"POST {OWN}/ahead", f"/items/{item}/ahead?text={part}", {})
    visit(f"GET {OWN}/original", f"/items/{item}/original")
    assert shows(visit("GET /", "/"), text.rstrip("/").rpartition("/")[2])
    assert shows(visit("GET /", f"/?text={part}"), text)
    for name in ("type", "after"):
        visit("GET /", f"/?{name}={part}")
    for seen in (item, unknown):
        assert shows(visit(f"GET {OWN}", f"/items/{seen}?type={part}"), text)
    for seen in (item, rejected):
        assert shows(visit(f"GET {OWN}/history", f"/items/{seen}/history?type={part}"), text)
    visit("GET /documents/{document_id}", f"/documents/{part}")
    visit("GET /dashboard", f"/dashboard?type={part}&days={part}")
    visit("GET /static/{version}/{name}", f"/static/{part}/{part}")
    visit("GET /metrics", "/metrics")
    visit("GET /health", "/health")


def leave(visit: Visit, text: str) -> None:
    """The end of the session, and a login under this name."""
    part = quote(text, safe="")
    visit("POST /logout", "/logout", {})
    visit.client.cookies.clear()
    visit("GET /", f"/?text={part}")
    visit("GET /login", f"/login?next={part}")
    page = visit.client.get("/login")
    csrf = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert csrf is not None
    form = {"csrf": csrf[1], "name": text, "password": text, "next": text}
    visit.answers["POST /login of it"] = visit.client.post("/login", data=form)


def shows(answer: httpx2.Response, text: str) -> bool:
    assert answer.status_code == 200, answer.text
    return Shown.of(answer.text).has(text)


def is_html(answer: httpx2.Response) -> bool:
    return str(answer.headers.get("Content-Type", "")).startswith("text/html")


@pytest.mark.parametrize("text", PAYLOADS, ids=[ascii(text)[1:41] for text in PAYLOADS])
def test_a_text_stays_text_on_every_route(client: TestClient, site: Site, ordinary: Elements, text: str) -> None:
    answers = go_everywhere(client, site, text)
    assert {name.partition(" of ")[0] for name in answers} == {f"{route.method} {route.path}" for route in ROUTES}
    for name, answer in answers.items():
        assert answer.status_code < 500, f"{name}: {answer.text}"
        missing = {header: value for header, value in HEADERS.items() if answer.headers.get(header) != value}
        assert missing == {}, name
        if not is_html(answer):
            kind = answer.headers.get("Content-Type", "").partition(";")[0]
            assert kind in {"", "application/json", "application/octet-stream", "text/plain"}, name
            continue
        page = Shown.of(answer.text)
        assert page.elements <= ordinary, f"{name}: {page.elements - ordinary}"
        assert [to for to in page.addresses if not re.match(r"/(?!/)|#", to)] == [], name
        if page.state is not None and " of /items/" in name:
            assert json.loads(page.state)["fields"].get("number", {"text": squeeze(text)})["text"] == squeeze(text)
