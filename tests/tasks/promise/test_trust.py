"""What random labels prove: only drawn documents count, the hard ones among them too, and nothing is promised early."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import insert, update

from blocks.database.engine import Database, now
from blocks.database.learning.scores import Scored
from blocks.database.learning.tables import labels
from blocks.database.results.results import NewResult, write_results
from blocks.database.review.tables import review
from blocks.document_types.review_rules import AcceptRules
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.records import Status, Validation
from tasks.promise.prove import FIXED_THRESHOLDS
from tasks.promise.sample import NEVER, score_of
from tasks.promise.trust import Trust, UnitTrust, trust_of
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.label_rows import add_label

SLIP = DocumentType(
    name="slip",
    title="Slip",
    fields={
        "total": DocumentField(type=FieldType.MONEY, required=True),
        "note": DocumentField(type=FieldType.TEXT),
    },
)
CARD = SLIP.model_copy(update={"name": "card"})
TENTH = AcceptRules(error=Decimal("0.1"))


def add_read(database: Database, name: str, confidence: float, total: str, reasons: tuple[str, ...] = ()) -> None:
    """A document that was read, with the verdict of the machine."""
    add_documents(database, name)
    verdict = Validation(
        document_type="slip",
        status=Status.IN_REVIEW if reasons else Status.ACCEPTED,
        confidence=confidence,
        reasons=reasons,
        fields={"total": total, "note": None},
        confidences={"total": confidence, "note": 0.0},
    )
    with database.write() as connection:
        write_results(database, connection, "run-1", [NewResult(id_of(name), "f", verdict, False)], now())


def add_drawn(database: Database, names: list[str], wrong: int = 0, confidence: float = 0.99) -> None:
    """Documents that chance drew and people decided; the first `wrong` ones were read wrongly."""
    for number, name in enumerate(names):
        add_read(database, name, confidence, "1.00" if number < wrong else "9.00")
        add_label(database, id_of(name), SLIP, "total", "9.00", drawn_with=0.5)


def trusted(database: Database) -> tuple[Trust, UnitTrust]:
    found = trust_of(database, SLIP, TENTH)
    (unit,) = found.units
    return found, unit


def names(number: int, first: str = "d") -> list[str]:
    return [f"{first}{count}" for count in range(number)]


def test_a_threshold_is_proven_by_enough_random_labels_without_an_error(database: Database) -> None:
    add_drawn(database, names(29))
    found, unit = trusted(database)
    assert unit.proof.threshold is not None
    assert (found.drawn, found.used, unit.accepted) == (29, 29, 1.0)
    assert unit.needed is None


def test_one_label_less_proves_nothing_and_says_how_many_are_missing(database: Database) -> None:
    add_drawn(database, names(28))
    _, unit = trusted(database)
    assert unit.proof.threshold is None
    assert unit.needed is not None
    assert unit.needed.without_errors == 1


def test_chosen_documents_prove_nothing(database: Database) -> None:
    add_drawn(database, names(40))
    with database.write() as connection:
        connection.execute(update(labels).values(drawn_with=None))
    found, unit = trusted(database)
    assert (found.drawn, unit.proof.threshold) == (0, None)


def test_a_drawn_item_counts_as_wrong_once_it_is_past_due(database: Database) -> None:
    add_drawn(database, names(40))
    add_read(database, "late", 0.99, "9.00")
    for hours, waiting, drawn in ((1, 1, 40), (-1, 0, 41)):
        row = {
            "document_id": id_of("late"),
            "fingerprint": "f",
            "document_type": "slip",
            "status": "open",
            "reasons": [],
            "confidence": 0.99,
            "priority": 3,
            "due_at": now() + timedelta(hours=hours),
            "created_at": now(),
            "run_id": "run-1",
            "drawn_with": 0.5,
        }
        with database.write() as connection:
            connection.execute(review.delete())
            connection.execute(insert(review).values(**row))
        found, unit = trusted(database)
        assert (found.waiting, found.drawn) == (waiting, drawn)
        assert unit.proof.tests[0].wrong == drawn - 40


def test_a_row_that_something_else_sends_to_review_is_never_counted_as_accepted(database: Database) -> None:
    add_drawn(database, names(29))
    for name in names(10, "h"):
        add_read(database, name, 0.99, "1.00", ("hidden_text",))
        add_label(database, id_of(name), SLIP, "total", "9.00", drawn_with=0.5)
    _, unit = trusted(database)
    assert unit.proof.threshold is not None
    assert unit.proof.tests[0].wrong == 0
    assert unit.accepted == 29 / 39


def test_a_document_whose_deciding_field_has_no_label_counts_as_wrong(database: Database) -> None:
    add_drawn(database, names(28))
    add_read(database, "half", 0.99, "9.00")
    add_label(database, id_of("half"), SLIP, "note", None, drawn_with=0.5)
    found, unit = trusted(database)
    assert (found.unjudged, unit.proof.tests[0].wrong, unit.proof.threshold) == (1, 1, None)


def test_only_want_of_confidence_can_be_mended_by_a_threshold() -> None:
    assert score_of(SLIP, scored(0.4, "low_confidence:total", "low_type_confidence:marked void")) == 0.4
    assert score_of(SLIP, scored(0.9, "unproven")) == 0.9
    for reason in ("low_confidence:note", "missing:total", "hidden_text", "contradiction:1 and 2"):
        assert score_of(SLIP, scored(0.99, reason)) == NEVER
    assert min(FIXED_THRESHOLDS) > NEVER


def scored(confidence: float, *reasons: str) -> Scored:
    return Scored(
        document_id="a",
        status="in_review",
        confidence=confidence,
        confidences={"total": confidence},
        reasons=reasons,
    )


def test_an_imported_truth_of_another_type_makes_the_row_wrong(database: Database) -> None:
    add_drawn(database, names(29))
    add_read(database, "card", 0.99, "9.00")
    add_label(database, id_of("card"), CARD, "total", "9.00", drawn_with=0.5)
    found, unit = trusted(database)
    assert (found.drawn, unit.proof.tests[0].wrong) == (30, 1)


def test_the_row_that_was_drawn_counts_and_not_what_was_read_later(database: Database) -> None:
    add_drawn(database, names(30), wrong=10)
    for name in names(10):
        again = Validation(
            document_type="slip", status=Status.ACCEPTED, confidence=0.99, fields={"total": "9.00", "note": None}
        )
        with database.write() as connection:
            write_results(database, connection, "run-2", [NewResult(id_of(name), "g", again, False)], now())
    _, unit = trusted(database)
    assert unit.proof.tests[0].wrong == 10


def test_a_drawn_audit_that_nobody_decides_on_counts_as_wrong_after_two_weeks(database: Database) -> None:
    add_drawn(database, names(40))
    add_read(database, "left", 0.99, "9.00")
    for days, waiting, drawn in ((13, 1, 40), (15, 0, 41)):
        with database.write() as connection:
            connection.execute(review.delete())
            row = {
                "document_id": id_of("left"),
                "fingerprint": "f",
                "document_type": "slip",
                "status": "open",
                "reasons": [],
                "confidence": 0.99,
                "priority": 5,
                "kind": "audit",
                "created_at": now() - timedelta(days=days),
                "run_id": "run-1",
                "drawn_with": 0.5,
            }
            connection.execute(insert(review).values(**row))
        found, unit = trusted(database)
        assert (found.waiting, found.drawn) == (waiting, drawn)
        assert unit.proof.tests[0].wrong == drawn - 40


def test_the_error_of_each_field_is_tested_among_the_rows_that_are_accepted(database: Database) -> None:
    by_field = AcceptRules(error=Decimal("0.1"), per="field")
    required = {name: field.model_copy(update={"required": True}) for name, field in SLIP.fields.items()}
    both = SLIP.model_copy(update={"fields": required})
    for number, name in enumerate(names(60)):
        add_read(database, name, 0.99, "1.00" if number < 20 else "9.00")
        add_label(database, id_of(name), both, "total", "9.00", drawn_with=0.5)
        add_label(database, id_of(name), both, "note", None, drawn_with=0.5)
    found = trust_of(database, both, by_field)
    proven = {unit.name: unit.proof.threshold for unit in found.units}
    assert proven["total"] is None
    assert proven["note"] is not None
    assert {test.counted for unit in found.units for test in unit.proof.tests[:1]} == {40}
