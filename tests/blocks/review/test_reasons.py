import re
from pathlib import Path

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.review import reasons

TYPE = DocumentType(
    name="invoice",
    title="Invoice",
    fields={name: DocumentField(type=FieldType.MONEY) for name in ("net", "tax", "total")},
)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("missing:total", "Total was not found, and the type needs it."),
        ("invalid:due_date: 31.02.2024", "Due date was read as “31.02.2024”, which is no such value."),
        ("unknown_type", "The kind of document is not clear."),
        ("unknown_type:invoice 0.12", "The kind of document is not clear. Nearest: invoice 0.12."),
        ("contradiction:net 1 + tax 2 is 3, not total 4", "Values do not agree: net 1 + tax 2 is 3, not total 4."),
        ("failed:encrypted", "The document could not be read: it needs a password (WINNOW_PASSWORDS)."),
        ("no_such_code:x", "no such code:x"),
    ],
)
def test_a_reason_in_words(reason: str, sentence: str) -> None:
    assert reasons.sentence(reason) == sentence


def test_every_reason_of_the_verdict_has_words() -> None:
    source = Path("tasks/validate/verdict.py").read_text()
    codes = set(re.findall(r"[\"`](\w+):[<{]", source)) | {"hidden_text", "low_ocr_confidence", "sensitive"}
    assert len(codes) > 5
    for code in codes - {"class", "field"}:
        assert reasons.sentence(f"{code}:x") != f"{code}:x".replace("_", " "), code


def test_a_reason_names_its_fields() -> None:
    assert reasons.fields_named("low_confidence:tax", TYPE) == ("tax",)
    assert reasons.fields_named("contradiction:net 1 + tax 2 is 3, not total 4", TYPE) == ("net", "tax", "total")
    assert reasons.fields_named("expectation:total_is_not_below_net", TYPE) == ("net", "total")
    assert reasons.fields_named("expectation:subtotal_is_read", TYPE) == ()
    assert reasons.fields_named("ungrounded:a_criterion", TYPE) == ()
    assert reasons.fields_named("low_confidence:tax", None) == ()


def test_an_invalid_reading_is_kept() -> None:
    assert reasons.raw_of("invalid:iban: DE00 1234") == "DE00 1234"
    assert reasons.raw_of("missing:iban") == ""
