import pytest

from blocks.document_types import DocumentField, FieldHints, FieldType
from blocks.evidence import box_of, check, locate, yields
from blocks.records import Evidence, FieldReading, Page, Words

MONEY = DocumentField(type=FieldType.MONEY)
TEXT = DocumentField(type=FieldType.TEXT)


def page(text: str, method: str = "parsed", confidences: tuple[float, ...] | None = None) -> Page:
    spans, boxes, at = [], [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        spans.append((start, at))
        boxes.append((float(start), 10.0, float(at), 20.0))
    words = Words(spans=tuple(spans), boxes=tuple(boxes), confidences=confidences)
    return Page.model_validate({"number": 1, "method": method, "text": text, "words": words, "ocr_confidence": 0.9})


def reading(value: object, *quotes: str) -> FieldReading:
    evidence = tuple(Evidence(page=1, quote=quote) for quote in quotes)
    return FieldReading.model_validate({"value": value, "confidence": 0.9, "evidence": evidence})


def test_a_quote_is_found_whatever_its_blanks_case_and_accents() -> None:
    text = "Zahlbar bis\n  4. März\u00a02024 an Müller"
    span = locate(text, "bis 4. MARZ 2024")
    assert span is not None
    assert text[span.start : span.end] == "bis\n  4. März\u00a02024"


def test_a_bent_letter_is_forgiven_and_a_bent_digit_is_not() -> None:
    text = "Invoice total for your order: 1,234.50 EUR"
    assert locate(text, "Invoce total for your order: 1,234.50") is not None
    assert locate(text, "Invoice total for your order: 1,284.50") is None
    assert locate("total 9.00", "tota1") is None, "short quotes must stand as they are"


def test_a_quote_that_is_not_on_the_page_leaves_the_value_ungrounded() -> None:
    found = check(MONEY, reading("9.00", "TOTAL 9.00"), [page("TOTAL 8.00")])
    assert not found.is_grounded
    assert "not on page 1" in found.why


def test_a_quote_on_the_page_that_says_another_value_leaves_it_ungrounded() -> None:
    found = check(MONEY, reading("19.00", "TOTAL 9.00"), [page("TOTAL 9.00")])
    assert not found.is_grounded
    assert "does not say" in found.why


def test_hidden_text_bears_nothing() -> None:
    hidden = page("TOTAL 9.00").model_copy(update={"hidden_text": "TOTAL 1.00"})
    assert not check(MONEY, reading("1.00", "TOTAL 1.00"), [hidden]).is_grounded


def test_a_value_without_a_quote_or_with_a_page_that_is_not_there_is_ungrounded() -> None:
    assert not check(TEXT, reading("Acme"), [page("Acme")]).is_grounded
    far = FieldReading(value="Acme", evidence=(Evidence(page=7, quote="Acme"),))
    assert not check(TEXT, far, [page("Acme")]).is_grounded


@pytest.mark.parametrize(
    ("field_type", "quote", "value", "expected"),
    [
        (FieldType.MONEY, "Summe 1.234,56 €", "1234.56", True),
        (FieldType.MONEY, "Summe 1.234,56 €", "234.56", False),
        (FieldType.MONEY, "Gutschrift -5,00", "-5.00", True),
        (FieldType.DATE, "vom 5. Mai 2024", "2024-05-05", True),
        (FieldType.DATE, "vom 5. Mai 2024", "2024-05-06", False),
        (FieldType.CURRENCY, "total 5 €", "EUR", True),
        (FieldType.CURRENCY, "total 5 €", "USD", False),
        (FieldType.IBAN, "DE02 1203 0000 0000 2020 51", "DE02120300000000202051", True),
        (FieldType.TEXT, "ACME  Ltd.", "Acme Ltd", True),
        (FieldType.TEXT, "ACME Ltd.", "Other Ltd", False),
        (FieldType.EMAIL, "write to ann@example.org", "ann@example.org", True),
        (FieldType.PHONE, "Tel. 0711 123456", "+49711123456", True),
    ],
)
def test_a_quote_yields_its_value_and_no_other(
    field_type: FieldType, quote: str, value: str, *, expected: bool
) -> None:
    assert yields(DocumentField(type=field_type), quote, value, ("de", "fr", "en")) is expected


def test_the_weakest_word_under_the_evidence_speaks_for_the_scan() -> None:
    scan = page("TOTAL RM 9.00 THANKS", "ocr", (0.99, 0.95, 0.41, 0.1))
    assert check(MONEY, reading("9.00", "RM 9.00"), [scan]).ocr_confidence == 0.41
    assert check(MONEY, reading("9.00", "RM 9.00"), [page("TOTAL RM 9.00")]).ocr_confidence is None


def test_the_box_of_a_quote_is_that_of_its_words() -> None:
    drawn = page("TOTAL RM 9.00 THANKS")
    assert box_of(drawn, 6, 13) == (6.0, 10.0, 13.0, 20.0)
    assert box_of(drawn.model_copy(update={"words": Words()}), 6, 13) is None


def test_each_row_of_a_table_needs_its_own_quote() -> None:
    table = DocumentField(type=FieldType.TABLE, columns={"name": TEXT, "price": MONEY})
    rows = [{"name": "Apple", "price": "1.50"}, {"name": "Pear", "price": "2.00"}]
    text = page("Apple red 1.50\nPear 2.00")
    assert check(table, reading(rows, "Apple red 1.50", "Pear 2.00"), [text]).is_grounded
    assert not check(table, reading(rows, "Apple red 1.50"), [text]).is_grounded
    assert not check(table, reading(rows, "Pear 2.00", "Apple red 1.50"), [text]).is_grounded


def test_an_entry_of_a_list_is_borne_by_its_keywords() -> None:
    grounds = DocumentField(type=FieldType.LIST, hints=FieldHints(keywords={"threat": ("hurt you",)}))
    text = page("I will hurt you")
    assert check(grounds, reading(["threat"], "hurt you"), [text]).is_grounded
    assert not check(grounds, reading(["threat"], "I will"), [text]).is_grounded
