"""Reading by decided documents: without any, or with such that say nothing, a reading stays as it is."""

from pathlib import Path

import pytest

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentField, FieldHints, FieldType
from blocks.evidence.grounding import check
from blocks.evidence.traces import Remembered, Trace
from blocks.reader.reading import read
from blocks.reader.votes import with_votes
from blocks.records import Evidence, FieldReading, Page
from blocks.settings import Settings
from blocks.text_classifier.classifier import Prediction
from tasks.extract.extract import extract_bytes

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
