"""The dashboard's picture in the docs: four weeks of made-up work, decided by the rules as people would.

python -m tests.deployments.review_app.dashboard_picture docs/images/review_dashboard.png
"""

import random
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import uvicorn
from playwright.sync_api import sync_playwright
from sqlalchemy import select

from blocks.database import clock
from blocks.database.engine import Database, now, open_database
from blocks.database.results.results import NewResult, write_results
from blocks.database.review import users
from blocks.database.review.decide import decide
from blocks.database.review.item_content import read_item
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.review.sessions import open_session
from blocks.database.review.tables import review
from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.records import Status, Validation
from blocks.review.records import Action, Correction, Decision, Door, ItemKind, Look, Person, Role
from blocks.settings import load_settings
from deployments.review_app.app import create_app
from deployments.review_app.call import SESSION_COOKIE
from deployments.review_app.site import Site
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_page import CHROMIUM

DAYS, A_DAY = 28, 26
FIELDS = {"number": FieldType.TEXT, "issued": FieldType.TEXT, "total": FieldType.MONEY}
TYPES = {
    name: DocumentType(
        name=name, title=name.capitalize(), fields={field: DocumentField(type=type_) for field, type_ in FIELDS.items()}
    )
    for name in ("invoice", "order", "receipt")
}
REASONS = ("low_confidence:total", "low_confidence:issued", "missing:number", "contradiction:sum", "low_ocr_confidence")
ANN, BOB = Person(name="ann"), Person(name="bob")


def main() -> None:
    """Fill a database and take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/picture.db")
        work(database)
        users.add_user(database, "ann", Role.REVIEWER, None)
        site = Site.of(database, TYPES, load_settings(), pictures=Path(folder))
        take(site, open_session(database, "ann"), Path(sys.argv[1]))


def work(database: Database) -> None:
    """Documents of each day, most of which are decided on it or on the next ones."""
    draw, today, waiting = random.Random(4), now(), list[int]()
    for back in reversed(range(DAYS)):
        at = today - timedelta(days=back, minutes=50)
        is_weekend = at.weekday() >= 5
        waiting += opened(database, draw, at, A_DAY if is_weekend else 2 * A_DAY)
        for number in range(draw.randrange(5) if is_weekend else draw.randrange(A_DAY, 3 * A_DAY)):
            if waiting:
                with mock.patch.object(clock, "now", lambda at=at, number=number: at + timedelta(seconds=30 * number)):
                    decided(database, draw, waiting.pop(draw.randrange(min(len(waiting), 40))))


def opened(database: Database, draw: random.Random, at: datetime, count: int) -> list[int]:
    """Open items of a day, in the order in which people take them."""
    names = [f"{at:%j}-{number}" for number in range(count)]
    add_documents(database, *names)
    needs = [_need(name, draw) for name in names]
    with database.write() as connection:
        results = [NewResult(need.document_id, "f", need.validation, provisional=False) for need in needs]
        write_results(database, connection, "run-1", results, at)
        sync_review(database, connection, "run-1", needs, [], at)
        ids = [need.document_id for need in needs]
        return list(connection.execute(select(review.c.review_id).where(review.c.document_id.in_(ids))).scalars())


def _need(name: str, draw: random.Random) -> ReviewNeed:
    is_audit = draw.random() < 0.3
    confidences = {field: round(draw.betavariate(5, 1.5), 2) for field in FIELDS}
    verdict = Validation(
        document_type=draw.choice(list(TYPES)),
        status=Status.ACCEPTED if is_audit else Status.IN_REVIEW,
        confidence=min(confidences.values()),
        reasons=() if is_audit else tuple(draw.sample(REASONS, draw.choice([1, 1, 2]), counts=[9, 5, 4, 2, 1])),
        priority=draw.choice([1, 2, 2, 3]),
        due_minutes=None if is_audit else 3 * 24 * 60,
        fields=dict.fromkeys(FIELDS, "12.50"),
        confidences=confidences,
    )
    rules = ReviewRules(decisions=2 if draw.random() < 0.2 else 1)
    kind = ItemKind.AUDIT if is_audit else ItemKind.VERDICT
    return ReviewNeed(id_of(name), "f", verdict, rules, kind, 0.02 if is_audit else None)


def decided(database: Database, draw: random.Random, review_id: int) -> None:
    """Decide as a person would: values of low confidence are wrong more often."""
    item = read_item(database, review_id)
    share = 0.1 if item.kind is ItemKind.AUDIT else 0.9
    wrong = [name for name, confidence in item.confidences.items() if draw.random() < share * (1 - confidence)]
    corrections = {name: Correction(value="13.50") for name in wrong}
    for person in (ANN, BOB)[: item.decisions_needed]:
        if person is BOB and draw.random() < 0.08:
            corrections = {"total": Correction(value="19.00")}
        looks = {field: Look(shown_ms=int(1_000 * draw.lognormvariate(1, 0.6)), is_touched=True) for field in FIELDS}
        decision = Decision(
            review_id=review_id,
            version=1,
            action=Action.CORRECT if corrections else Action.ACCEPT,
            by=person.name,
            door=Door.PAGE,
            corrections=corrections,
            shown_ms=sum(look.shown_ms for look in looks.values()) + 2_000,
            looks=looks,
        )
        decide(database, decision, person, TYPES)


def take(site: Site, session: str, path: Path) -> None:
    """Serve the page, and photograph all of the dashboard."""
    server = uvicorn.Server(uvicorn.Config(create_app(site), port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
        context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": address}])
        page = context.new_page()
        page.goto("/dashboard?days=30", timeout=120_000)
        page.screenshot(path=path, full_page=True)
        browser.close()
    server.should_exit = True
    thread.join(30)


if __name__ == "__main__":
    main()
