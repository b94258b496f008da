"""What the machine read last is measured, with what failed, what is provisional, and what models cost."""

from decimal import Decimal

from sqlalchemy import insert

from blocks.database.engine import Database, now
from blocks.database.learning.imports import ImportOptions, import_labels
from blocks.database.payloads import pack
from blocks.database.tables import model_calls, stage_outputs
from blocks.learning.label_files import FileRow
from blocks.records import Stage, Status, Validation
from tasks.evaluate.evaluate import evaluate_readings
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import TYPES


def add_output(
    database: Database,
    name: str,
    state: str = "done",
    *,
    is_current: bool = True,
    total: str = "9.00",
    stage: Stage = Stage.VALIDATE,
    run_id: str = "run-1",
) -> None:
    verdict = Validation(
        document_type="receipt",
        status=Status.ACCEPTED,
        confidence=0.9,
        fields={"company": "Café", "total": total},
        confidences={"company": 0.9, "total": 0.9},
    )
    content = {
        "document_id": id_of(name),
        "stage": stage,
        "fingerprint": f"{is_current}",
        "state": state,
        "is_current": is_current,
        "payload": None if state == "failed" else pack(verdict.model_dump_json().encode()),
        "attempts": 1,
        "solo_attempts": 0,
        "duration_ms": 500,
        "run_id": run_id,
        "updated_at": now(),
    }
    with database.write() as connection:
        connection.execute(insert(stage_outputs).values(**content))


def add_call(database: Database, run_id: str, cost_usd: str) -> None:
    counts = ("step", "attempt", "input_characters", "output_characters", "input_tokens", "output_tokens", "latency_ms")
    content = {
        **dict.fromkeys(counts, 1),
        "run_id": run_id,
        "document_id": id_of("a"),
        "model": "m",
        "model_version": "1",
        "request_digest": "",
        "cost_usd": Decimal(cost_usd),
        "outcome": "ok",
        "called_at": now(),
        "call_key": run_id,
    }
    with database.write() as connection:
        connection.execute(insert(model_calls).values(**content))


def test_current_readings_are_measured_and_only_they(database: Database) -> None:
    add_documents(database, *"abcd")
    add_output(database, "a")
    add_output(database, "a", is_current=False, total="1.00")
    add_output(database, "b", "provisional", total="1.00")
    add_output(database, "c", "failed")
    add_call(database, "run-1", "0.03")
    add_output(database, "a", stage=Stage.SCORE)
    add_output(database, "a", stage=Stage.EXTRACT, run_id="run-0")  # which asked models too, for another scoring
    add_call(database, "run-0", "5")
    rows = [
        FileRow(line, {"uri": name, "document_type": "receipt", "field": field, "value": value})
        for line, (name, (field, value)) in enumerate(
            (name, pair) for name in "abcd" for pair in (("company", "cafe"), ("total", "9"))
        )
    ]
    options = ImportOptions(file="truth.csv", by="eve", drawn_with=0.5, is_draw_given=True)
    assert import_labels(database, rows, options, TYPES).written == 8
    found = evaluate_readings(database, TYPES)
    (receipts,) = found.types
    assert found.unread == 1, "no run has read d"
    assert receipts.statuses == {"accepted": 1, "failed": 1, "in_review": 1}
    assert (receipts.draw.drawn, receipts.draw.least) == (3, 0.5)
    assert (receipts.right.hits, receipts.wrong_among_accepted.hits, receipts.wrong_among_accepted.counted) == (1, 0, 1)
    total = receipts.fields["total"]
    assert [share.hits for share in (total.right, total.wrong, total.missed)] == [1, 1, 1]
    assert (receipts.cost_usd_per_document, receipts.seconds_per_document) == (Decimal("0.01"), 2.5 / 3)
    assert evaluate_readings(database, TYPES, "invoice").types == ()
