"""Reading by decided documents: without any, or with such that say nothing, a reading stays as it is."""

from pathlib import Path

import pytest

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentField, FieldHints, FieldType
from blocks.evidence.grounding import check
from blocks.evidence.traces import Remembered, Trace
from blocks.learning.memory import Memory, remember
from blocks.reader.reading import read
from blocks.reader.remembered import ENOUGH, held_down
from blocks.reader.votes import with_votes
from blocks.records import Evidence, FieldReading, Page
from blocks.settings import Settings
from blocks.text_classifier.classifier import Prediction
from tasks.extract.extract import extract_bytes
from tests.blocks.learning.documents import INVOICE, acme

SAMPLES = Path(__file__).resolve().parents[3] / "data" / "samples"
TEXTS = sorted(path for path in SAMPLES.rglob("*") if path.suffix in {".txt", ".pdf", ".html", ".eml"})
SETTINGS = Settings()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_readings_of_the_samples_do_not_change_without_likes(path: Path) -> None:
    types = load_document_types(SETTINGS.document_types_dir)
    extraction, _ = extract_bytes(path.read_bytes(), path.as_uri(), SETTINGS)
    if extraction is None:
        return
    for document_type in types.values():
        plain = read(document_type, extraction.pages)
        assert read(document_type, extraction.pages, ()) == plain
        assert read(document_type, extraction.pages, (Remembered(likeness=0.9),)) == plain
        assert all("printed" not in reading.model_dump() for reading in plain.fields.values())


def test_the_nearest_documents_vote() -> None:
    prediction = Prediction("a", 0.5, {"a": 0.5, "b": 0.45, "c": 0.05})
    b, c = ({"kind": Trace(value=value)} for value in ("b", "c"))
    found = with_votes("kind", prediction, [Remembered(likeness=0.8, fields=b), Remembered(likeness=0.3, fields=c)])
    assert found.label == "b"
    assert sum(found.scores.values()) == pytest.approx(1.0, abs=0.001)
    assert with_votes("other", prediction, [Remembered(likeness=0.8, fields=b)]) is prediction


def test_a_name_as_people_write_it_is_grounded_by_what_the_document_prints() -> None:
    field = DocumentField(type=FieldType.TEXT, hints=FieldHints(kind="organisation"))
    pages = (Page(number=1, method="parsed", text="BANH MI CAFE\nTotal 9.00"),)
    evidence = (Evidence(page=1, quote="BANH MI CAFE"),)
    reading = FieldReading(value="Banh Mi Holdings Sdn Bhd", confidence=0.9, evidence=evidence)
    assert not check(field, reading, pages).is_grounded
    assert check(field, reading.model_copy(update={"printed": "BANH MI CAFE"}), pages).is_grounded
    assert not check(field, reading.model_copy(update={"printed": "ANOTHER SHOP"}), pages).is_grounded


AMOUNTS = (("A-17", "03.04.2025", "10.00"), ("A-18", "04.04.2025", "11.20"), ("A-19", "05.04.2025", "12.40"))


def read_after(decided: int) -> tuple[FieldReading, FieldReading]:
    """The number and the total of a bill, after so many of its issuer were decided."""
    known = [
        remember(
            number,
            INVOICE,
            acme(number, day, total, "9.00"),
            {"seller": "Acme Trading Company", "number": number, "total": total},
        )
        for number, day, total in AMOUNTS[:decided]
    ]
    pages = acme("A-23", "11.05.2025", "31.50", "28.00")
    fields = read(INVOICE, pages, Memory(known).recall(pages)).fields
    return fields["number"], fields["total"]


def test_what_few_documents_taught_needs_a_person_and_what_three_taught_needs_none() -> None:
    for number, total in map(read_after, range(1, ENOUGH)):
        assert "A-17" in total.evidence[0].read_as_in
        assert (number.value, total.value) == ("A-23", "31.50")
        assert max(number.confidence, total.confidence) < 0.8
    number, total = read_after(ENOUGH)
    assert (number.value, total.value) == ("A-23", "31.50")
    assert min(number.confidence, total.confidence) > 0.8


SUPPORT = [Remembered(likeness=0.9, is_same_issuer=True)] * ENOUGH
OTHERS = [Remembered(likeness=0.9)] * ENOUGH
REQUIRED, OPTIONAL = DocumentField(type=FieldType.MONEY, required=True), DocumentField(type=FieldType.MONEY)


def test_the_confidence_of_a_reading_without_the_memory_stands() -> None:
    plain, raised = FieldReading(value="1.00", confidence=0.9), FieldReading(value="1.00", confidence=0.98)
    assert held_down(REQUIRED, raised, plain) == plain
    assert held_down(REQUIRED, raised, plain, SUPPORT) == raised
    assert held_down(REQUIRED, raised, plain, OTHERS) == plain
    lowered = plain.model_copy(update={"confidence": 0.4})
    assert held_down(REQUIRED, lowered, plain) == lowered


def test_another_value_of_an_optional_field_is_looked_at_and_a_lost_one_stays() -> None:
    plain, other = FieldReading(value="1.00", confidence=0.9), FieldReading(value="2.00", confidence=0.98)
    assert held_down(REQUIRED, other, plain) == other.model_copy(update={"confidence": 0.7742})
    assert held_down(OPTIONAL, other, plain) == other.model_copy(update={"confidence": 0.4802})
    assert held_down(OPTIONAL, other, None) == other.model_copy(update={"confidence": 0.4802})
    assert held_down(OPTIONAL, None, plain) == plain.model_copy(update={"confidence": 0.441})
    assert held_down(OPTIONAL, None, plain, SUPPORT) is None
    assert held_down(OPTIONAL, None, None) is None
