"""A strict split: half of the labelled documents teach, the other half prove, and none changes its side."""

from decimal import Decimal

import pytest
from sqlalchemy import insert, update

from blocks.database.engine import Database, now
from blocks.database.keeping.erasure import erase
from blocks.database.learning import learned
from blocks.database.learning.splits import known_sides
from blocks.database.learning.tables import labels
from blocks.database.payloads import pack
from blocks.database.results.results import NewResult, write_results
from blocks.database.tables import stage_outputs
from blocks.document_types.review_rules import AcceptRules
from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType, MemoryRules
from blocks.records import Extraction, Page, Stage, Status, Validation
from tasks.evaluate.evaluate import evaluate_readings
from tasks.learn.labelled import labelled_values
from tasks.learn.memory import learn_memory
from tasks.learn.split import proving, teaching
from tasks.promise.trust import trust_of
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.label_rows import add_label

STRICT = DocumentType(
    name="slip",
    title="Slip",
    fields={
        "shop": DocumentField(type=FieldType.TEXT, hints=FieldHints(kind="organisation", position="top")),
        "total": DocumentField(type=FieldType.MONEY, required=True),
    },
    memory=MemoryRules(split="strict"),
)
SHARED = STRICT.model_copy(update={"memory": MemoryRules()})
SHOPS = 20
NAMES = [f"{shop}-{number}" for shop in range(SHOPS) for number in range(2)]


def add_read(database: Database, name: str, text: str) -> None:
    """A document with its text, and with a reading whose total is wrong."""
    add_documents(database, name)
    page = Page(number=1, method="parsed", text=text)
    verdict = Validation(
        document_type="slip", status=Status.ACCEPTED, confidence=0.9, fields={"shop": None, "total": "1.00"}
    )
    own = {"document_id": id_of(name), "fingerprint": "f", "state": "done", "is_current": True, "run_id": "run-1"}
    own |= {"attempts": 1, "solo_attempts": 0, "updated_at": now()}
    extraction = Extraction(media_type="text/plain", pages=(page,), engine="text", language="en")
    payloads = {Stage.EXTRACT: extraction, Stage.VALIDATE: verdict}
    with database.write() as connection:
        for stage, payload in payloads.items():
            row = own | {"stage": stage, "payload": pack(payload.model_dump_json().encode())}
            connection.execute(insert(stage_outputs), row)
        write_results(database, connection, "run-1", [NewResult(id_of(name), "f", verdict, False)], now())


@pytest.fixture
def slips(database: Database) -> Database:
    """Two slips of each shop, read, drawn and labelled."""
    for name in NAMES:
        shop = name.partition("-")[0]
        add_read(database, name, f"Shop of {shop}\nSlip {name}\nTotal 9.00")
        add_label(database, id_of(name), STRICT, "shop", f"Shop of {shop}", drawn_with=0.5)
        add_label(database, id_of(name), STRICT, "total", "9.00", drawn_with=0.5)
    return database


def test_what_teaches_does_not_prove_and_an_issuer_is_on_one_side(slips: Database) -> None:
    taught = set(teaching(slips, STRICT, labelled_values(slips, STRICT)))
    proven = proving(slips, STRICT, [id_of(name) for name in NAMES])
    assert taught | proven == {id_of(name) for name in NAMES}
    assert not taught & proven
    assert 5 < len(taught) < 35
    for shop in range(SHOPS):
        assert (id_of(f"{shop}-0") in taught) is (id_of(f"{shop}-1") in taught)


def test_without_a_strict_split_each_label_does_both(slips: Database) -> None:
    everything = {id_of(name) for name in NAMES}
    assert set(teaching(slips, SHARED, labelled_values(slips, SHARED))) == everything
    assert proving(slips, SHARED, everything) == everything


def test_learning_remembers_what_teaches_and_figures_count_what_proves(slips: Database) -> None:
    proven = proving(slips, STRICT, [id_of(name) for name in NAMES])
    learn_memory(slips, {"slip": STRICT}, "slip")
    assert {row.document_id for row in learned.newest_memories(slips, "slip")} == {*map(id_of, NAMES)} - proven
    found = evaluate_readings(slips, {"slip": STRICT})
    assert (found.types[0].documents, found.teaching) == (len(proven), len(NAMES) - len(proven))
    assert trust_of(slips, STRICT, AcceptRules(error=Decimal("0.1"))).drawn == len(proven)
    assert learn_memory(slips, {"slip": STRICT}, "slip").why == "nothing new was decided since"


def test_a_corrected_issuer_moves_no_document_to_the_other_side(slips: Database) -> None:
    before = proving(slips, STRICT, [id_of(name) for name in NAMES])
    learn_memory(slips, {"slip": STRICT}, "slip")
    with slips.write() as connection:
        connection.execute(update(labels).where(labels.c.field == "shop").values(value="Another shop"))
    assert proving(slips, STRICT, [id_of(name) for name in NAMES]) == before


def test_the_side_without_an_issuer_follows_from_the_text(database: Database) -> None:
    for name in (f"t{number}" for number in range(12)):
        add_read(database, name, f"No shop here, text {name[1:-1]}")
        add_label(database, id_of(name), STRICT, "total", "9.00")
    proven = proving(database, STRICT, [id_of(f"t{number}") for number in range(12)])
    assert len({id_of(f"t{number}") in proven for number in range(10)}) == 1, "texts without case and blanks are equal"


def test_an_erased_document_has_no_side(slips: Database) -> None:
    learn_memory(slips, {"slip": STRICT}, "slip")
    erase(slips, [id_of("0-0")], "ann")
    with slips.read() as connection:
        assert set(known_sides(connection, "slip", [*map(id_of, NAMES)])) == {*map(id_of, NAMES[1:])}
