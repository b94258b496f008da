"""Times of `winnow runs`, `winnow show` and `winnow report` with many documents.

python benchmarks/story.py [--documents 100000] [--database URL of a database that is empty or was filled by it]

One run has all the documents, with four stage outputs, a result and a call of a model each; one in fifty failed, one in
eight waits for a person. Forty daily runs of 500 of the same documents follow. Times are those of the functions that
the commands call: a command adds what it takes to start.
"""

import argparse
import random
import tempfile
from datetime import datetime, timedelta
from decimal import Decimal

from review_queue import show
from sqlalchemy import insert, text

from blocks.database.engine import Database, now, open_database
from blocks.database.pipeline.runs import finish_run
from blocks.database.review.tables import review
from blocks.database.story.document import load_document
from blocks.database.story.figures import count_figures
from blocks.database.story.find import find
from blocks.database.story.period import load_period
from blocks.database.story.runs import list_runs, load_run
from blocks.database.tables import (
    documents,
    failures,
    model_calls,
    results,
    run_documents,
    runs,
    sources,
    stage_outputs,
)
from blocks.records import OUTPUT_STAGES
from tasks.period.period import report_of

TYPES = ("invoice", "receipt", "ticket")
KINDS = ("encrypted", "corrupt", "timed_out")
CALL_KINDS = ("rate_limited", "context_too_long", "truncated")
DAILY, DAILY_DOCUMENTS = 40, 500
ROUNDS = 10
PAYLOAD = random.Random(1).randbytes(3_000)
"""As large as the compressed text of a page or two."""


def main() -> None:
    """Fill the database, then print the median and the slowest of each operation in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--database", default=f"sqlite:///{tempfile.mkdtemp()}/story.db")
    options = parser.parse_args()
    database = open_database(options.database)
    with database.read() as connection:
        is_filled = connection.execute(text("SELECT COUNT(*) FROM runs")).scalar_one() > 0
    if not is_filled:
        fill(database, options.documents)
    show("figures, counted at the end of the run", lambda: keep_figures(database, "run-all"), 1)
    for day in range(DAILY):
        keep_figures(database, f"run-{day:02}")
    show("runs", lambda: list_runs(database, limit=21), ROUNDS)
    show("show RUN of all documents", lambda: load_run(database, find(database, "run-all").run_id or ""), ROUNDS)
    show("show DOCUMENT", lambda: load_document(database, find(database, _id(50)[:12]).document_id or ""), ROUNDS)
    a_day = timedelta(days=1)
    show("report of a week", lambda: report_of(load_period(database, now() - 7 * a_day, now())), 3)
    show("report of all", lambda: report_of(load_period(database, now() - 60 * a_day, now())), 3)
    show("show FILE by the end of its place", lambda: find(database, "17.pdf"), ROUNDS)


def keep_figures(database: Database, run_id: str) -> None:
    """What a run does at its end for its story; the report has counted the documents that wait."""
    finish_run(
        database, run_id, "Completed", "done", count_figures(database, run_id, waiting={}).model_dump(mode="json")
    )


def fill(database: Database, count: int) -> None:
    """The documents and their rows, 5,000 in a transaction, and the runs."""
    draw, at = random.Random(7), now() - timedelta(days=DAILY + 1)
    for first in range(0, count, 5_000):
        numbers = range(first, min(first + 5_000, count))
        with database.write() as connection:
            connection.execute(insert(documents), [_document(number, at) for number in numbers])
            connection.execute(
                insert(sources), [{"document_id": _id(n), "uri": f"/in/{n}.pdf", "seen_at": at} for n in numbers]
            )
            connection.execute(insert(run_documents), [_member("run-all", number) for number in numbers])
            connection.execute(insert(stage_outputs), [row for n in numbers for row in _outputs(n, draw, at)])
            connection.execute(insert(results), [_result(n, draw, at) for n in numbers if n % 50])
            connection.execute(insert(failures), [_failure(n, at) for n in numbers if n % 50 == 0])
            connection.execute(insert(model_calls), [_call("run-all", n, draw, at) for n in numbers])
            connection.execute(insert(review), [_item(n, at) for n in numbers if n % 8 == 1])
    with database.write() as connection:
        connection.execute(insert(runs), [_run("run-all", at, timedelta(hours=3))])
        for day in range(DAILY):
            began, name = at + timedelta(days=day + 1), f"run-{day:02}"
            numbers = range(day * DAILY_DOCUMENTS, (day + 1) * DAILY_DOCUMENTS)
            connection.execute(insert(runs), [_run(name, began, timedelta(minutes=5))])
            connection.execute(insert(run_documents), [_member(name, n % count) for n in numbers])
            connection.execute(insert(model_calls), [_call(name, n % count, draw, began) for n in numbers])
    with database.write() as connection:  # as the server does by itself some time after so many rows came in
        connection.execute(text("ANALYZE"))


def _id(number: int) -> str:
    return f"{random.Random(number).getrandbits(256):064x}"


def _run(run_id: str, at: datetime, took: timedelta) -> dict[str, object]:
    types = {name: f"{name}-v1" for name in TYPES}
    settings: dict[str, object] = {"chunk_size": 100}
    ended = {"state": "Completed", "message": "done", "finished_at": at + took}
    return {"run_id": run_id, "name": run_id, "source": "/in", "settings": settings, "document_types": types} | (
        ended | {"started_at": at}
    )


def _document(number: int, at: datetime) -> dict[str, object]:
    known = {"media_type": "application/pdf", "size_bytes": 9, "first_seen_at": at}
    return known | {"document_id": _id(number), "document_type": TYPES[number % len(TYPES)]}


def _status(number: int) -> str:
    return "failed" if number % 50 == 0 else "in_review" if number % 8 == 1 else "accepted"


def _member(run_id: str, number: int) -> dict[str, object]:
    return {"run_id": run_id, "document_id": _id(number), "chunk": number // 100, "outcome": _status(number)}


def _outputs(number: int, draw: random.Random, at: datetime) -> list[dict[str, object]]:
    row = {"document_id": _id(number), "fingerprint": "f" * 64, "is_current": True, "run_id": "run-all"}
    row |= {"attempts": 1, "solo_attempts": 0, "updated_at": at, "payload": PAYLOAD[: 600 + number % 2_400]}
    failed = {"state": "failed", "failure_kind": KINDS[number % 3], "payload": None}
    stages = OUTPUT_STAGES[:1] if number % 50 == 0 else OUTPUT_STAGES
    return [
        row
        | {"state": "done", "digest": "d" * 64, "failure_kind": None, "stage": stage.value}
        | {"duration_ms": int(draw.lognormvariate(4, 1))}
        | (failed if number % 50 == 0 else {})
        for stage in stages
    ]


def _result(number: int, draw: random.Random, at: datetime) -> dict[str, object]:
    is_sure = _status(number) == "accepted"
    fields = {"total": "12.00", "issued": "2026-01-02", "seller": "Miller & Sons", "number": f"R-{number}"}
    return {
        "document_id": _id(number),
        "fingerprint": "f",
        "is_current": True,
        "document_type": TYPES[number % len(TYPES)],
        "status": _status(number),
        "confidence": draw.random(),
        "reasons": [] if is_sure else ["low_confidence:total"],
        "fields": fields,
        "confidences": dict.fromkeys(fields, 0.9),
        "evidence": {name: [{"page": 1, "quote": value}] for name, value in fields.items()},
        "provisional": False,
        "run_id": "run-all",
        "created_at": at,
    }


def _failure(number: int, at: datetime) -> dict[str, object]:
    times = {"first_at": at, "last_at": at, "attempts": 1, "retry": "never", "run_id": "run-all"}
    known = {"stage": "extract", "kind": KINDS[number % 3], "message": "no password was given; add one"}
    return times | known | {"document_id": _id(number)}


def _call(run_id: str, number: int, draw: random.Random, at: datetime) -> dict[str, object]:
    kind = CALL_KINDS[number % 3] if number % 20 == 0 else None
    return {
        "run_id": run_id,
        "document_id": _id(number),
        "call_key": f"{run_id}-{number}",
        "model": ("small", "large")[number % 2],
        "model_version": "1",
        "step": number % 2,
        "attempt": 1,
        "request_digest": "",
        "input_characters": 4_000,
        "output_characters": 400,
        "input_tokens": 1_000 + number % 700,
        "output_tokens": 100,
        "cost_usd": Decimal(1_000 + number % 700) * Decimal("1e-7"),
        "latency_ms": int(draw.lognormvariate(7, 0.5)),
        "outcome": kind or "ok",
        "error_kind": kind,
        "called_at": at,
        "prompt_version": "4f2a" * 16,
    }


def _item(number: int, at: datetime) -> dict[str, object]:
    known = {"document_id": _id(number), "fingerprint": "f", "document_type": TYPES[number % len(TYPES)]}
    shown = {"status": "open", "reasons": ["low_confidence:total"], "confidence": 0.5, "priority": 3}
    return known | shown | {"created_at": at, "run_id": "run-all"}


if __name__ == "__main__":
    main()
