from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import JsonValue
from sqlalchemy import insert, text

from blocks.database.engine import Database, now
from blocks.database.errors import ViewInUse
from blocks.database.pipeline.documents import record_batch
from blocks.database.results.views import create_views, view_name
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.tables import results, sources
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.records import Rerun, Status, Validation
from tests.doubles.scripted_stages import found, id_of

FIELDS = {
    "number": DocumentField(type=FieldType.TEXT),
    "issued": DocumentField(type=FieldType.DATE),
    "total": DocumentField(type=FieldType.MONEY),
    "pages": DocumentField(type=FieldType.INTEGER),
    "status": DocumentField(type=FieldType.ENUM, enum=("paid", "open")),
    "tags": DocumentField(type=FieldType.LIST),
    "lines": DocumentField(
        type=FieldType.TABLE,
        columns={"name": DocumentField(type=FieldType.TEXT), "amount": DocumentField(type=FieldType.MONEY)},
    ),
}
VALUES: dict[str, JsonValue] = {
    "number": "R-17",
    "issued": "2026-11-20",
    "total": "1234.50",
    "pages": 3,
    "status": "paid",
    "tags": ["a", "b"],
    "lines": [{"name": "Tea", "amount": "4.00"}, {"name": "100 % cotton", "amount": None}],
}

VERDICT = Validation(document_type="bill", status=Status.IN_REVIEW, confidence=0.5)


def type_of(name: str = "bill", **fields: DocumentField) -> dict[str, DocumentType]:
    return {name: DocumentType(name=name, title=name, fields=fields or FIELDS)}


def add_result(database: Database, name: str, fields: dict[str, JsonValue], document_type: str = "bill") -> None:
    record_batch(database, "run", [found(name)], given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100)
    row = {
        "document_id": id_of(name),
        "fingerprint": "f",
        "is_current": True,
        "document_type": document_type,
        "status": "accepted",
        "confidence": 0.5,
        "reasons": [],
        "fields": fields,
        "confidences": dict.fromkeys(fields, 0.5),
        "evidence": {},
        "provisional": False,
        "run_id": "run",
        "created_at": now(),
    }
    with database.write() as connection:
        connection.execute(insert(results), row)


def query(database: Database, statement: str) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [dict(row) for row in connection.execute(text(statement)).mappings()]


def test_a_column_per_field_with_its_own_type(database: Database) -> None:
    create_views(database, type_of())
    add_result(database, "a", VALUES)
    (row,) = query(database, "SELECT * FROM results_bill WHERE total > 1000 AND issued < '2026-11-21' AND pages = 3")
    assert list(row)[:8] == ["document_id", "uri", "status", "confidence", "score", "reasons", "run_id", "created_at"]
    assert (row["uri"], row["status"], row["field_status"], row["number"]) == ("/in/a", "accepted", "paid", "R-17")
    if database.is_sqlite:
        assert (row["issued"], row["total"]) == ("2026-11-20", 1234.5)
    else:
        assert (row["issued"], row["total"]) == (date(2026, 11, 20), Decimal("1234.50"))
    assert isinstance(row["pages"], int)


def test_lists_and_tables_have_a_row_per_item(database: Database) -> None:
    create_views(database, type_of())
    add_result(database, "a", VALUES)
    add_result(database, "b", dict.fromkeys(VALUES))
    tags = query(database, "SELECT position, value FROM results_bill_tags ORDER BY position")
    assert tags == [{"position": 1, "value": "a"}, {"position": 2, "value": "b"}]
    lines = query(database, "SELECT position, name, amount, uri FROM results_bill_lines ORDER BY position")
    assert [(line["name"], line["amount"]) for line in lines] == [("Tea", 4), ("100 % cotton", None)]
    assert query(database, "SELECT COUNT(*) AS n, COUNT(total) AS totals FROM results_bill") == [{"n": 2, "totals": 1}]


def test_values_of_an_older_version_of_the_type_break_no_query(database: Database) -> None:
    create_views(database, type_of())
    values: list[JsonValue] = ["", "nine", "1.2.3", "2026-02-31", "0000-01-01", "2026-13-01", 7, 1.5, True, ["x"]]
    for number, odd in enumerate(values):
        add_result(database, str(number), dict.fromkeys(VALUES, odd))
    rows = query(database, "SELECT issued, total, pages FROM results_bill")
    assert len(rows) == 10
    assert query(database, "SELECT SUM(total) AS t, SUM(pages) AS p, MAX(issued) AS i FROM results_bill") != []
    assert query(database, "SELECT amount FROM results_bill_lines") is not None
    if not database.is_sqlite:
        assert {row["issued"] for row in rows} == {None}


def test_a_view_is_made_anew_only_when_its_fields_change(database: Database) -> None:
    create_views(database, type_of())
    made = query(database, "SELECT name, digest FROM views ORDER BY name")
    create_views(database, type_of())
    assert query(database, "SELECT name, digest FROM views ORDER BY name") == made
    create_views(database, type_of(total=FIELDS["total"], iban=DocumentField(type=FieldType.IBAN)))
    add_result(database, "a", {"total": "1.00", "iban": "DE02"})
    assert query(database, "SELECT iban FROM results_bill") == [{"iban": "DE02"}]
    assert len({row["digest"] for row in made} - {row["digest"] for row in query(database, "SELECT * FROM views")}) == 1


@pytest.mark.parametrize("name", ["order", "a b", 'quo"te', "o'clock", "100%", "x" * 80, "straße"])
def test_any_name_is_quoted(database: Database, name: str) -> None:
    create_views(database, type_of(name, **{name: DocumentField(type=FieldType.TEXT)}))
    add_result(database, "a", {name: "v"}, document_type=name)
    quoted = view_name(name).replace('"', '""').replace(":", "\\:")
    (row,) = query(database, f'SELECT * FROM "{quoted}"')
    if '"' not in name or not database.is_sqlite:
        assert list(row.values())[-1] == "v"


def test_a_list_field_never_takes_the_view_of_another_type(database: Database) -> None:
    both = type_of() | type_of("bill_lines", total=FIELDS["total"])
    create_views(database, both)
    add_result(database, "a", {"total": "5.00"}, document_type="bill_lines")
    assert [row["total"] for row in query(database, "SELECT total FROM results_bill_lines")] == [5]


def test_somebody_elses_view_is_not_dropped_with_ours(postgres_database: Database) -> None:
    create_views(postgres_database, type_of())
    with postgres_database.write() as connection:
        connection.execute(text("CREATE VIEW ours_by_month AS SELECT issued, total FROM results_bill"))
    with pytest.raises(ViewInUse, match="ours_by_month"):
        create_views(postgres_database, type_of(total=FIELDS["total"]))
    assert query(postgres_database, "SELECT COUNT(*) AS n FROM ours_by_month") == [{"n": 0}]


def test_views_show_the_place_where_a_document_was_seen_last(database: Database) -> None:
    create_views(database, type_of())
    add_result(database, "a", dict(VALUES))
    for number, place in enumerate(("/in/z", "/in/b"), start=1):
        seen_at = now() + timedelta(hours=number)
        with database.write() as connection:
            connection.execute(insert(sources), {"document_id": id_of("a"), "uri": place, "seen_at": seen_at})
    for view in ("results_bill", "results_bill_tags", "results_bill_lines"):
        assert {row["uri"] for row in query(database, f"SELECT uri FROM {view}")} == {"/in/b"}
    with database.write() as connection:
        sync_review(database, connection, "run", [ReviewNeed(id_of("a"), "f", VERDICT)], [], now())
    (item,) = query(database, "SELECT uri, document_type, fields FROM review_queue")
    assert (item["uri"], item["document_type"]) == ("/in/b", "bill")
    assert item["fields"] is not None
    with database.write() as connection:
        connection.execute(results.update().values(fingerprint="another"))
    assert [row["fields"] for row in query(database, "SELECT fields FROM review_queue")] == [None], "of its own verdict"


def test_views_show_current_results_of_their_type_only(database: Database) -> None:
    create_views(database, type_of())
    add_result(database, "a", dict(VALUES))
    add_result(database, "b", dict(VALUES), document_type="other")
    with database.write() as connection:
        connection.execute(results.update().where(results.c.document_id == id_of("a")).values(is_current=False))
    for view in ("results_bill", "results_bill_tags", "results_bill_lines"):
        assert query(database, f"SELECT * FROM {view}") == []
    confidences = query(database, "SELECT document_id, document_type, status, field, confidence FROM field_confidences")
    assert {row["document_id"] for row in confidences} == {id_of("b")}
    assert {row["field"]: row["confidence"] for row in confidences} == dict.fromkeys(VALUES, 0.5)


def test_the_queue_view_has_open_items_only(database: Database) -> None:
    create_views(database, {})
    for name in ("a", "b"):
        add_result(database, name, {})
    with database.write() as connection:
        sync_review(database, connection, "run", [ReviewNeed(id_of(name), "f", VERDICT) for name in "ab"], [], now())
        sync_review(database, connection, "run", [], [id_of("a")], now())
    assert [row["document_id"] for row in query(database, "SELECT document_id FROM review_queue")] == [id_of("b")]
