"""Labels of decisions and of files are one: what counts, what does not, and what is imported, listed and forgotten."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from blocks.database.engine import Database
from blocks.database.keeping.erasure import erase, held_rows
from blocks.database.keeping.subjects import find_subject
from blocks.database.learning import imports
from blocks.database.learning.forget import Forgotten, forget, held_labels
from blocks.database.learning.imports import Imported, ImportOptions, import_labels
from blocks.database.learning.labels import LabelFilter, read_labels
from blocks.database.learning.tables import forgotten_answers, label_events, labels
from blocks.database.pipeline.documents import record_batch
from blocks.database.review.decide import decide, undo
from blocks.database.review.tables import review
from blocks.database.review.verify import verify_trail
from blocks.database.tables import documents, sources
from blocks.document_types.review_rules import ReviewRules
from blocks.learning.errors import ImportUnknown, LabelUnknown
from blocks.learning.label_files import FileRow, row_of
from blocks.learning.labels import Label, Origin
from blocks.records import Rerun
from blocks.review.chain import Head
from blocks.review.records import Action, Correction, Decision, Door, ItemKind, Person
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import found, id_of
from tests.review_items import ANN, BOB, TYPES, open_item

CHOSEN = ImportOptions(file="truth.csv", by="eve")


def counting(database: Database, **wanted: Any) -> list[Label]:
    return [label for label, _ in read_labels(database, LabelFilter(**wanted))]


def values(database: Database, **wanted: Any) -> dict[tuple[str, str], Any]:
    names = {id_of(name): name for name in "abcdef"}
    return {(names[label.document_id], label.field): label.value for label in counting(database, **wanted)}


def act(database: Database, review_id: int, action: Action, by: Person = ANN, **content: Any) -> None:
    version = 1
    given = {"review_id": review_id, "version": version, "action": action, "by": by.name, "door": Door.PAGE}
    decide(database, Decision.model_validate(given | content), by, TYPES)


def row(line: int, uri: str, field: str, value: Any, **cells: Any) -> FileRow:
    return FileRow(line, {"uri": uri, "field": field, "value": value} | cells)


def imported(database: Database, *rows: FileRow, **options: Any) -> Imported:
    return import_labels(database, rows, CHOSEN.model_copy(update=options), TYPES)


@pytest.fixture
def items(database: Database) -> dict[str, int]:
    """Receipts a to d that wait; by name, their items."""
    add_documents(database, *"abcd")
    return {name: open_item(database, name) for name in "abcd"}


def test_answers_of_final_decisions_are_labels(database: Database, items: dict[str, int]) -> None:
    act(
        database,
        items["a"],
        Action.CORRECT,
        corrections={"total": Correction(value="8"), "company": Correction(value="")},
    )
    act(database, items["b"], Action.ACCEPT, by=BOB)
    act(database, items["c"], Action.REJECT, reason="blurred")
    assert values(database) == {
        ("a", "company"): None,
        ("a", "total"): "8.00",
        ("b", "company"): "Café",
        ("b", "total"): "9.00",
    }
    of_a = counting(database, labelled_by="ann")[1]
    assert (of_a.origin, of_a.drawn_with, of_a.document_type, of_a.import_id) == (Origin.QUEUE, None, "receipt", None)
    assert of_a.labelled_at.tzinfo is not None


def test_the_draw_and_the_audit_are_on_the_label(database: Database, items: dict[str, int]) -> None:
    for name, kind, is_blind, drawn_with in (
        ("a", ItemKind.VERDICT, False, 0.1),
        ("b", ItemKind.AUDIT, False, 0.2),
        ("c", ItemKind.AUDIT, True, 0.3),
    ):
        with database.write() as connection:
            of_item = review.c.review_id == items[name]
            connection.execute(
                update(review).where(of_item).values(kind=kind, is_blind=is_blind, drawn_with=drawn_with)
            )
        touched = {field: {"is_touched": True} for field in ("company", "total")}
        act(database, items[name], Action.ACCEPT, looks=touched)
    origins = {label.document_id: (label.origin, label.drawn_with) for label in counting(database)}
    assert origins == {
        id_of("a"): (Origin.QUEUE, 0.1),
        id_of("b"): (Origin.AUDIT, 0.2),
        id_of("c"): (Origin.BLIND_AUDIT, 0.3),
    }


def test_decisions_that_do_not_stand_are_no_labels(database: Database, items: dict[str, int]) -> None:
    act(database, items["a"], Action.ACCEPT)
    undo(database, items["a"], ANN)
    assert counting(database) == []
    act(database, items["a"], Action.CORRECT, corrections={"total": Correction(value="8")})
    assert values(database, field="total") == {("a", "total"): "8.00"}, "not that of the decision that was taken back"
    with database.write() as connection:
        connection.execute(update(review).values(status="open"))  # as --reopen does
    assert counting(database) == []


def test_of_two_persons_the_second_ones_decision_is_the_label(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database, rules=ReviewRules(decisions=2))
    act(database, item, Action.ACCEPT)
    assert counting(database) == []
    act(database, item, Action.ACCEPT, by=BOB)
    assert {label.labelled_by for label in counting(database)} == {"bob"}
    assert len(counting(database)) == 2


def test_a_reclassification_is_a_label_of_the_type(database: Database, items: dict[str, int]) -> None:
    imported(database, row(2, "a", "total", "1"))
    act(database, items["a"], Action.RECLASSIFY, document_type="invoice")
    (label,) = counting(database)
    assert (label.field, label.value, label.document_type) == ("document_type", "invoice", "invoice")
    assert counting(database, document_type="receipt") == [], "what was said of the wrong type counts no longer"
    assert counting(database, document_type="invoice") == [label]


def test_the_latest_of_decision_and_import_counts(database: Database, items: dict[str, int]) -> None:
    assert imported(database, row(2, "a", "total", "1")).written == 1
    act(database, items["a"], Action.ACCEPT)
    assert values(database, field="total") == {("a", "total"): "9.00"}
    assert imported(database, row(2, "a", "total", "1")).known == 1, "the same file twice changes nothing"
    assert imported(database, row(2, "a", "total", "2")).written == 1
    assert values(database, field="total") == {("a", "total"): "2.00"}
    assert imported(database, row(2, "a", "total", "1")).written == 1, "a person may go back"
    assert values(database, field="total") == {("a", "total"): "1.00"}


def test_a_file_twice_changes_nothing_and_a_new_draw_does(database: Database, items: dict[str, int]) -> None:
    rows = [row(2, "a", "total", "1"), row(3, "a", "company", ""), row(4, "b", "total", "RM 3")]
    first, second = imported(database, *rows), imported(database, *rows)
    assert (first.written, first.known, first.refused, first.import_id) == (3, 0, [], 1)
    assert (second.written, second.known, second.import_id) == (0, 3, None)
    assert values(database) == {("a", "company"): None, ("a", "total"): "1.00", ("b", "total"): "3.00"}
    drawn = imported(database, *rows, drawn_with=0.1, is_draw_given=True)
    assert (drawn.written, drawn.import_id) == (3, 2)
    assert {label.drawn_with for label in counting(database)} == {0.1}
    assert imported(database, *rows, by="bob", is_by_given=True).written == 3, "another person says so too"
    with database.read() as connection:
        events = connection.execute(select(label_events.c.event, label_events.c.actor, label_events.c.content)).all()
    assert [tuple(event) for event in events] == [
        ("imported", "eve", {"file": "truth.csv", "labels": 3}),
        ("imported", "eve", {"file": "truth.csv", "labels": 3}),
        ("imported", "bob", {"file": "truth.csv", "labels": 3}),
    ]


def test_each_wrong_row_is_named_and_the_others_are_imported(database: Database, items: dict[str, int]) -> None:
    with database.write() as connection:
        of = {name: documents.c.document_id == id_of(name) for name in "bcd"}
        connection.execute(update(documents).where(of["b"]).values(is_container=True))
        connection.execute(update(documents).where(of["c"]).values(erased_at=datetime(2026, 11, 1, tzinfo=UTC)))
    add_documents(database, "e")
    rows = [
        row(2, "nowhere.pdf", "total", "1"),
        row(3, "a", "nope", "1"),
        row(4, "a", "total", "much"),
        row(5, "b", "total", "1"),
        row(6, "c", "total", "1"),
        row(7, "e", "total", "1"),
        row(8, "", "total", "1"),
        row(9, "", "total", "1", document_id="0123"),
        FileRow(10, {}, "the row has 2 cells"),
        row(11, "a", "total", "1"),
        row(12, "/in/a", "total", "2"),
        row(13, "a", "total", "1.00"),
    ]
    for _ in range(2):
        done = imported(database, *rows)
        assert {refused.line: refused.why.partition(";")[0] for refused in done.refused} == {
            2: "no document was seen at nowhere.pdf",
            3: "there is no field 'nope'",
            4: "total: 'much' is no amount of money",
            5: "it is a file whose parts are documents",
            6: "the document was erased",
            7: "the document has no type yet",
            8: "neither uri nor document_id says which document",
            9: "no document has this document_id",
            10: "the row has 2 cells",
            12: "line 11 says something else of this field",
        }
        assert (done.rows, done.written + done.known) == (12, 2)
    assert (done.refused[1].place, done.refused[1].field) == ("a", "nope")
    assert values(database) == {("a", "total"): "1.00"}


def test_a_strict_import_writes_all_or_nothing_and_a_dry_run_nothing(database: Database, items: dict[str, int]) -> None:
    good, bad = row(2, "a", "total", "1"), row(3, "a", "nope", "1")
    strict = imported(database, good, bad, is_strict=True)
    assert (strict.written, strict.import_id, len(strict.refused)) == (0, None, 1)
    dry = imported(database, good, is_dry_run=True)
    assert (dry.written, dry.import_id) == (1, None)
    with database.read() as connection:
        assert connection.execute(select(label_events)).all() == []
    assert imported(database, good, is_strict=True).written == 1
    assert values(database) == {("a", "total"): "1.00"}


def test_a_strict_import_lets_others_write_while_it_reads_its_file(database: Database, items: dict[str, int]) -> None:
    rows = [row(2, "a", "total", "1"), row(3, "b", "total", "2")]
    strict = CHOSEN.model_copy(update={"is_strict": True})

    def label_one(_: int) -> None:
        imported(database, rows[0])

    done = import_labels(database, rows, strict, TYPES, label_one)
    assert (done.rows, done.written, done.known) == (2, 1, 1)
    assert values(database) == {("a", "total"): "1.00", ("b", "total"): "2.00"}


def test_a_document_that_is_erased_while_a_strict_import_reads_keeps_all_from_being_written(
    database: Database, items: dict[str, int]
) -> None:
    rows = [row(2, "a", "total", "1"), row(3, "b", "total", "2")]
    strict = CHOSEN.model_copy(update={"is_strict": True})

    def erase_one(_: int) -> None:
        erase(database, [id_of("b")], "ann")

    done = import_labels(database, rows, strict, TYPES, erase_one)
    assert (done.written, done.import_id) == (0, None)
    assert [(refused.line, refused.why) for refused in done.refused] == [(3, "the document was erased")]
    assert values(database) == {}


def test_a_place_may_be_the_end_of_one_where_it_names_one_document(database: Database) -> None:
    add_documents(database, *"abcd")
    later = datetime(2026, 11, 2, tzinfo=UTC)
    places = [("a", "/x/1.pdf"), ("b", "/y/1.pdf"), ("c", "s3://bucket/2.pdf"), ("c", "/copy/2.pdf"), ("d", "/x/3.pdf")]
    with database.write() as connection:
        connection.execute(sources.delete())
        rows = [{"document_id": id_of(name), "uri": uri, "seen_at": later} for name, uri in places]
        rows.append({"document_id": id_of("a"), "uri": "/x/3.pdf", "seen_at": later - timedelta(days=1)})
        connection.execute(sources.insert(), rows)
        connection.execute(update(documents).values(document_type="receipt"))
    names = ("1.pdf", "x/1.pdf", "/y/1.pdf", "2.pdf", "3.pdf", "pdf", "")
    done = imported(database, *(row(line, name, "total", str(line)) for line, name in enumerate(names, start=2)))
    assert values(database) == {
        ("a", "total"): "3.00",
        ("b", "total"): "4.00",
        ("c", "total"): "5.00",
        ("d", "total"): "6.00",
    }
    assert [(refused.line, refused.why) for refused in done.refused] == [
        (2, "1.pdf names 2 documents, at /x/1.pdf, /y/1.pdf; give more of the place"),
        (7, "no document was seen at pdf; winnow run reads it first"),
        (8, "neither uri nor document_id says which document"),
    ]


def test_what_is_exported_is_the_same_when_it_is_imported(database: Database, items: dict[str, int]) -> None:
    act(database, items["a"], Action.CORRECT, corrections={"total": Correction(value="8")})
    imported(database, row(2, "b", "company", "=1+1"), row(3, "b", "total", ""), drawn_with=0.5, is_draw_given=True)
    act(database, items["b"], Action.ACCEPT)
    act(database, items["c"], Action.RECLASSIFY, document_type="invoice")
    before = counting(database)
    rows = [FileRow(2, row_of(label, uri, TYPES)) for label, uri in read_labels(database, LabelFilter())]
    assert len(rows) == 5
    again = imported(database, *rows)
    assert (again.written, again.known) == (0, 5)
    forget(database, LabelFilter(), "ann")
    assert counting(database) == []
    assert imported(database, *rows).written == 5
    ids = {"label_id": "", "import_id": None}
    assert [label.model_copy(update=ids) for label in counting(database)] == [
        label.model_copy(update=ids) for label in before
    ]


def test_labels_are_forgotten_and_decisions_stand(database: Database, items: dict[str, int]) -> None:
    act(database, items["a"], Action.ACCEPT)
    act(database, items["b"], Action.ACCEPT, by=BOB)
    imported(database, row(2, "a", "total", "1"), row(3, "c", "total", "2"))
    imported(database, row(2, "c", "total", "3"))
    assert forget(database, LabelFilter(import_id=2), "ann") == Forgotten(imported=1, decided=0, documents=1)
    assert values(database, field="total") == {("a", "total"): "1.00", ("b", "total"): "9.00", ("c", "total"): "2.00"}
    with pytest.raises(ImportUnknown, match="those that have labels: 1"):
        forget(database, LabelFilter(import_id=2), "ann")
    (of_bob,) = counting(database, labelled_by="bob", field="total")
    for wrong in ("", "x1", "i", "d1", "i99", "d99.total", f"{of_bob.label_id}s"):
        with pytest.raises(LabelUnknown):
            forget(database, LabelFilter(), "ann", [wrong])
    assert forget(database, LabelFilter(), "ann", [of_bob.label_id]).decided == 1
    assert values(database, labelled_by="bob") == {("b", "company"): "Café"}
    assert held_labels(database, LabelFilter(document_id=id_of("a"))) == Forgotten(imported=1, decided=2, documents=1)
    assert forget(database, LabelFilter(document_id=id_of("a")), "sue") == Forgotten(imported=1, decided=2, documents=1)
    assert forget(database, LabelFilter(labelled_by="bob"), "sue") == Forgotten(imported=0, decided=1, documents=1)
    assert values(database) == {("c", "total"): "2.00"}
    with database.read() as connection:
        actors = connection.execute(select(label_events.c.event, label_events.c.actor)).tuples().all()
        assert connection.execute(select(review.c.status).order_by(review.c.review_id)).scalars().all() == [
            *("decided", "decided", "open", "open")
        ]
    assert actors == [("imported", "eve")] * 2 + [("forgotten", "ann")] * 2 + [("forgotten", "sue")] * 2
    assert isinstance(verify_trail(database), Head)


def test_labels_of_an_erased_document_are_found_and_go(database: Database, items: dict[str, int]) -> None:
    act(database, items["a"], Action.ACCEPT)
    imported(database, row(2, "a", "company", "Zöe Quartermain"), row(3, "b", "total", "1"))
    assert find_subject(database, "Zöe Quartermain") == {id_of("a"): {"label"}}
    assert held_rows(database, [id_of("a")])["labels"] == 1
    erase(database, [id_of("a")], "ann")
    assert values(database) == {("b", "total"): "1.00"}
    with database.read() as connection:
        assert connection.execute(select(labels.c.document_id)).scalars().all() == [id_of("b")]
        assert connection.execute(select(forgotten_answers)).all() == []


def test_long_files_are_imported_in_parts_and_read_in_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "AT_ONCE", 2_000)
    names = [f"n{number}" for number in range(1_200)]
    batch = [found(name) for name in names]
    record_batch(database, "run-1", batch, given_type="receipt", rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100)
    with database.write() as connection:
        connection.execute(update(documents).values(document_type="receipt"))
    rows = (row(2, name, field, "7") for name in names for field in ("company", "total"))
    taken: list[int] = []
    done = import_labels(database, rows, CHOSEN, TYPES, taken.append)
    assert (done.written, taken) == (2_400, [2_000, 400])
    read = [(label.document_id, label.field) for label in counting(database)]
    assert read == sorted((id_of(name), field) for name in names for field in ("company", "total"))
