from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.document_types.schema import DocumentField, FieldHints, FieldType
from blocks.evidence.grounding import Grounding, box_of, check, locate, ocr_confidence, quoted, words_under, yields
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


def test_a_quote_on_the_page_that_yields_another_value_leaves_it_ungrounded() -> None:
    found = check(MONEY, reading("19.00", "TOTAL 9.00"), [page("TOTAL 9.00")])
    assert not found.is_grounded
    assert "does not say" in found.why


def test_hidden_text_grounds_nothing() -> None:
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
        (FieldType.DATE, "Factuurdatum: 29 maart 2014", "2014-03-29", True),
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


def test_the_weakest_word_under_the_evidence_counts_for_the_scan() -> None:
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


def test_an_entry_of_a_list_is_grounded_by_its_keywords() -> None:
    grounds = DocumentField(type=FieldType.LIST, hints=FieldHints(keywords={"threat": ("hurt you",)}))
    text = page("I will hurt you")
    assert check(grounds, reading(["threat"], "hurt you"), [text]).is_grounded
    assert not check(grounds, reading(["threat"], "I will"), [text]).is_grounded


LANGUAGES = ("de", "fr", "en")


@pytest.mark.parametrize(
    ("field_type", "quote", "value"),
    [
        (FieldType.TEXT, "Invoice 9912 345", "1234"),
        (FieldType.TEXT, "INV-105", "INV-10"),
        (FieldType.TEXT, "Meridian Ltd", "an"),
        (FieldType.TEXT, "Meridian Ltd", "ridian Ltd"),
        (FieldType.TEXT, "written in C++", "C"),
        (FieldType.MONEY, "Total 1 234,56", "234.56"),
        (FieldType.MONEY, "Total 1 234,56EUR", "234.56"),
        (FieldType.MONEY, "Total 1\u00a0234,56 €", "234.56"),
        (FieldType.MONEY, "2024-11-20 Total 50.00", "-50.00"),
        (FieldType.MONEY, "Total - 50.00", "-50.00"),
        (FieldType.MONEY, "Date 2024-11-20 Total 50.00", "20.00"),
        (FieldType.INTEGER, "Date 2024-11-20", 20),
        (FieldType.NUMBER, "-5", "5"),
        (FieldType.NUMBER, "-€5.00", "5"),
        (FieldType.MONEY, "5.00- EUR", "5.00"),
        (FieldType.CURRENCY, "Entrepreneur of the year", "EUR"),
        (FieldType.CURRENCY, "Academy fees", "CAD"),
        (FieldType.CURRENCY, "all of 5 pears", "ALL"),
        (FieldType.PHONE, "Tel 855 51 234", "+442085551234"),
        (FieldType.PHONE, "Tel 020 8555 12345", "+442085551234"),
        (FieldType.PHONE, "Tel +1 20 8555 1234", "+442085551234"),
        (FieldType.PHONE, "Tel 020 8555 1234", "reception"),
        (FieldType.IBAN, "DE02 1203 0000 0000 2020 51", "DE021203000000002020"),
    ],
)
def test_a_quote_does_not_yield_a_piece_of_what_is_printed(field_type: FieldType, quote: str, value: str) -> None:
    for languages in (LANGUAGES, ("en",)):
        assert not yields(DocumentField(type=field_type), quote, value, languages)


@pytest.mark.parametrize(
    ("field_type", "quote", "value"),
    [
        (FieldType.TEXT, "Meridian Steel\n  Holdings Ltd.", "Meridian Steel Holdings Ltd"),
        (FieldType.TEXT, "Donaudampf-\nschiff AG", "Donaudampfschiff AG"),
        (FieldType.TEXT, "Meridlan Steel Holdings Ltd, London", "Meridian Steel Holdings Ltd"),
        (FieldType.TEXT, "Invoice #INV-105.", "INV-105"),
        (FieldType.TEXT, "C++, Rust", "C++"),
        (FieldType.TEXT, "氏名田中太郎様", "田中太郎"),
        (FieldType.MONEY, "Total 1 234,56EUR", "1234.56"),
        (FieldType.MONEY, "Total 1\u202f234,56 €", "1234.56"),
        (FieldType.MONEY, "TotalRM9.00", "9.00"),
        (FieldType.MONEY, "Rabatt - € 5,00\n- 5,00", "-5.00"),
        (FieldType.MONEY, "credit -€5.00", "-5.00"),
        (FieldType.MONEY, "credit 5.00-", "-5.00"),
        (FieldType.MONEY, "loss (5.00)", "-5.00"),
        (FieldType.MONEY, "5 May 2024 12.50", "12.50"),
        (FieldType.MONEY, "Total 50. 00", "50.00"),
        (FieldType.INTEGER, "10-20 boxes", 20),
        (FieldType.INTEGER, "year ended 31 December 2023", 2023),
        (FieldType.INTEGER, "Nr.5", 5),
        (FieldType.CURRENCY, "TOTAL RM9.00", "MYR"),
        (FieldType.CURRENCY, "12 eur", "EUR"),
        (FieldType.CURRENCY, "in US$ only", "USD"),
        (FieldType.PHONE, "Tel (020) 8555-1234, Fax 020 8555 1235", "+442085551234"),
        (FieldType.PHONE, "+44 (0)20 8555 1234", "+442085551234"),
        (FieldType.IBAN, "IBAN: DE02 1203 0000 0000 2020 51 BIC X", "DE02120300000000202051"),
    ],
)
def test_a_quote_yields_what_is_printed(field_type: FieldType, quote: str, value: str) -> None:
    assert yields(DocumentField(type=field_type), quote, value, LANGUAGES)


@pytest.mark.parametrize(
    ("languages", "quote", "right", "wrong"),
    [
        (("de",), "1.234", "1234.00", "1.234"),
        (("de",), "1,234", "1.234", "1234.00"),
        (("en",), "1.234", "1.234", "1234.00"),
        (("en",), "1,234", "1234.00", "1.234"),
        (LANGUAGES, "1.234", "1234.00", "1.234"),
        (LANGUAGES, "1,234", "1234.00", "1.234"),
    ],
)
def test_the_languages_of_a_type_say_what_a_lone_separator_is(
    languages: tuple[str, ...], quote: str, right: str, wrong: str
) -> None:
    assert yields(MONEY, quote, right, languages)
    assert not yields(MONEY, quote, wrong, languages)


def test_a_document_s_own_amounts_say_which_of_the_languages_it_writes_numbers_in() -> None:
    count = DocumentField(type=FieldType.INTEGER)
    german, english = page("5,000 Stück zu 27,50"), page("5,000 pieces at 27.50")
    assert check(count, reading(5, "5,000"), [german], LANGUAGES).is_grounded
    assert not check(count, reading(5, "5,000"), [english], LANGUAGES).is_grounded
    assert check(count, reading(5000, "5,000"), [english], LANGUAGES).is_grounded


def test_a_quote_does_not_cut_a_number_of_the_page() -> None:
    assert not check(MONEY, reading("50.00", "50.00"), [page("TOTAL 150.00")]).is_grounded
    assert not check(MONEY, reading("234.50", "234.50"), [page("TOTAL 1,234.50")]).is_grounded
    assert not check(MONEY, reading("5.00", "5.00"), [page("TOTAL -5.00")]).is_grounded
    assert check(MONEY, reading("-5.00", "5.00"), [page("TOTAL -5.00")]).is_grounded
    assert check(MONEY, reading("50.00", "50.00"), [page("TOTAL 150.00\n1\n50.00\n2")]).is_grounded


def test_entries_of_a_list_are_whole_words() -> None:
    skills = DocumentField(type=FieldType.LIST)
    assert not check(skills, reading(["C"], "Chef"), [page("Chef")]).is_grounded
    assert not check(skills, reading(["R", "Go"], "Rust and Golang"), [page("Rust and Golang")]).is_grounded
    assert check(skills, reading(["R", "Go"], "R, Go"), [page("R, Go")]).is_grounded


def test_two_columns_beside_each_other_are_no_number_parted_by_a_blank() -> None:
    table = DocumentField(
        type=FieldType.TABLE, columns={"quantity": DocumentField(type=FieldType.INTEGER), "price": MONEY}
    )
    row = "2 150,00"
    assert check(table, reading([{"quantity": 2, "price": "150,00"}], row), [page(row)], ("de",)).is_grounded
    assert check(table, reading([{"price": "2150,00"}], row), [page(row)], ("de",)).is_grounded
    assert not check(table, reading([{"price": "150,00"}], row), [page(row)], ("de",)).is_grounded


def one_digit_off(text: str, place: int, by: int) -> str:
    at = [i for i, char in enumerate(text) if char.isdigit()]
    i = at[place % len(at)]
    return text[:i] + str((int(text[i]) + by) % 10) + text[i + 1 :]


places, steps = st.integers(0, 30), st.integers(1, 9)
words = st.sampled_from(["", "Total ", "Date 2024-11-20 Total ", "Summe: ", "3 x ", "No. 7, "])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 99_999_999), st.sampled_from(["{:,.2f}", "{:.2f}", "de", "fr"]), words, places, steps)
def test_a_quote_yields_its_amount_and_none_that_differs_in_a_digit(
    cents: int, style: str, before: str, place: int, by: int
) -> None:
    value = f"{cents / 100:.2f}"
    english = f"{cents / 100:,.2f}"
    foreign = {"de": english.translate({44: ".", 46: ","}), "fr": english.translate({44: "\u202f", 46: ","})}
    quote = before + (foreign.get(style) or style.format(cents / 100)) + " EUR"
    assert yields(MONEY, quote, value, LANGUAGES)
    wrong = one_digit_off(value, place, by)
    if wrong not in {"7.00", "3.00"}:
        assert not yields(MONEY, quote, wrong, LANGUAGES)


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"[A-Z]{0,3}-?[0-9]{1,8}(/[0-9]{1,3})?", fullmatch=True), places, steps)
def test_a_quote_yields_its_reference_and_none_that_differs_in_a_digit(value: str, place: int, by: int) -> None:
    assert yields(TEXT, f"Invoice no. {value} of today", value)
    assert not yields(TEXT, f"Invoice no. {value} of today", one_digit_off(value, place, by))


@settings(max_examples=100, deadline=None)
@given(st.integers(1000, 9999), st.integers(1000, 9999), places, steps)
def test_a_quote_yields_its_telephone_number_and_none_that_differs_in_a_digit(
    first: int, last: int, place: int, by: int
) -> None:
    field, value = DocumentField(type=FieldType.PHONE), f"+4420{first}{last}"
    for quote in (f"Tel (020) {first} {last}", f"+44 20 {first}-{last}", f"0044 20 {first} {last} or mail"):
        assert yields(field, quote, value)
        assert not yields(field, quote, "+44" + one_digit_off(value[3:], place, by))
    assert not yields(field, f"+44 20 {first}-{last}", one_digit_off(value, place, by))


@settings(max_examples=100, deadline=None)
@given(
    st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d %B %Y"]), places, steps
)
def test_a_quote_yields_no_date_that_differs_in_a_digit(day: date, style: str, place: int, by: int) -> None:
    quote = f"Date: {day.strftime(style)}"
    assert not yields(DocumentField(type=FieldType.DATE), quote, one_digit_off(day.isoformat(), place, by))


@pytest.mark.parametrize("printed", ["5.00-", "5.00 \u2212 x", "-5.00", "\u22125.00", "Rabatt:-5.00", "5.00- EUR"])
def test_a_quote_takes_the_minus_that_touches_it_on_the_page(printed: str) -> None:
    is_touched = "0 " not in printed
    drawn = [page(f"TOTAL {printed}")]
    assert check(MONEY, reading("-5.00", "5.00"), drawn).is_grounded is is_touched
    assert check(MONEY, reading("5.00", "5.00"), drawn).is_grounded is not is_touched


@pytest.mark.parametrize(
    ("printed", "negative", "positive"),
    [("5.00-", True, False), ("5.00-7.00", False, True), ("Total-5.00", True, True), ("7.00 -5.00", True, False)],
)
def test_what_stands_beyond_the_minus_decides_whether_it_is_a_dash(
    printed: str, *, negative: bool, positive: bool
) -> None:
    assert check(MONEY, reading("-5.00", "5.00"), [page(printed)]).is_grounded is negative
    assert check(MONEY, reading("5.00", "5.00"), [page(printed)]).is_grounded is positive


def test_a_text_has_no_sign() -> None:
    assert check(TEXT, reading("A5", "A5"), [page("ref -A5- x")]).is_grounded


def test_a_quote_is_sought_on_its_own_page_only() -> None:
    pages = [page("first"), page("TOTAL 9.00").model_copy(update={"number": 2})]
    assert not check(MONEY, reading("9.00", "TOTAL 9.00"), pages).is_grounded
    on_second = FieldReading(value="9.00", evidence=(Evidence(page=2, quote="TOTAL 9.00"),))
    assert check(MONEY, on_second, pages) == Grounding(True)
    far = FieldReading(value="9.00", evidence=(Evidence(page=3, quote="TOTAL 9.00"),))
    assert check(MONEY, far, pages) == Grounding(False, "the quote is not on page 3")


def test_every_quote_must_stand_on_the_page_and_one_of_them_or_all_together_say_the_value() -> None:
    text = page("Acme Steel\nand more\nHoldings Ltd")
    assert check(TEXT, reading("Acme Steel", "Acme Steel", "and more"), [text]).is_grounded
    assert check(TEXT, reading("Holdings Ltd", "Acme Steel", "Holdings Ltd"), [text]).is_grounded
    assert check(TEXT, reading("Acme Steel Holdings Ltd", "Acme Steel", "Holdings Ltd"), [text]).is_grounded
    assert not check(TEXT, reading("Acme Steel", "Acme Steel", "and less"), [text]).is_grounded
    assert check(TEXT, reading("Acme Steel"), [text]) == Grounding(False, "no quote was given")


def test_the_weakest_of_all_quotes_counts_and_an_ungrounded_value_has_its_scan_too() -> None:
    scan = page("TOTAL 9.00 THANKS", "ocr", (0.9, 0.8, 0.3))
    assert check(MONEY, reading("9.00", "9.00", "THANKS"), [scan]) == Grounding(True, "", 0.3)
    assert check(MONEY, reading("9.00", "THANKS", "9.00"), [scan]) == Grounding(True, "", 0.3)
    wrong = check(MONEY, reading("8.00", "TOTAL 9.00"), [scan])
    assert wrong == Grounding(False, "the quote does not say the value", 0.8)


def test_a_scan_whose_words_have_no_confidence_has_that_of_its_page() -> None:
    text = "TOTAL 9.00"
    assert ocr_confidence(page(text, "ocr"), 0, 10) == 0.9
    assert ocr_confidence(page(text, "ocr", (0.5, 0.6)), 5, 6) == 0.9, "no word stands there"
    assert ocr_confidence(page(text, "ocr", (0.5, 0.6)), 0, 10) == 0.5
    assert ocr_confidence(page(text, "parsed", (0.5, 0.6)), 0, 10) is None


@pytest.mark.parametrize(
    ("start", "end", "indices"),
    [(0, 5, [0]), (0, 6, [0]), (0, 7, [0, 1]), (4, 7, [0, 1]), (5, 6, []), (6, 8, [1]), (8, 9, []), (9, 99, [2]),
     (0, 99, [0, 1, 2]), (99, 120, [])],
)  # fmt: skip
def test_the_words_under_a_span_are_those_it_touches(start: int, end: int, indices: list[int]) -> None:
    assert list(words_under(page("TOTAL RM 9.00"), start, end)) == indices


def test_a_box_goes_around_words_on_several_lines() -> None:
    words = Words(spans=((0, 1), (2, 3)), boxes=((5.0, 30.0, 9.0, 40.0), (1.0, 10.0, 7.0, 20.0)))
    two_lines = Page.model_validate({"number": 4, "method": "parsed", "text": "a b c", "words": words})
    assert box_of(two_lines, 0, 3) == (1.0, 10.0, 9.0, 40.0)
    assert box_of(two_lines, 4, 5) is None
    assert quoted(two_lines, 2, 3) == Evidence(page=4, quote="b", box=(1.0, 10.0, 7.0, 20.0))


@pytest.mark.parametrize(
    ("text", "quote", "found"),
    [
        ("No. 150.00 and 50.00", "50.00", "50.00"),
        ("50.00.1 and 50.00", "50.00", "50.00"),
        ("1,234.50", "234.50", None),
        ("1'234.50", "234.50", None),
        ("234.505", "234.50", None),
        ("234,50", "234", None),
        ("234. Next", "234", "234"),
        ("A234", "234", "234"),
        ("", "x", None),
        ("x", " ", None),
        ("Müller  GmbH", "MULLER gmbh", "Müller  GmbH"),
        ("ein Straße hier", "STRASSE", "Straße"),
        ("1 50.00, ÉTÉ 50.00", "été 50.00", "ÉTÉ 50.00"),
    ],
)
def test_a_quote_is_located_where_it_stands_without_cutting_a_number(text: str, quote: str, found: str | None) -> None:
    span = locate(text, quote)
    assert (span and text[span.start : span.end]) == found


def test_a_quote_of_which_letters_were_lost_is_found_with_the_letters_of_the_page() -> None:
    text = "see Invoice totals for order 77 below"
    span = locate(text, "Invoise totals for order 77")
    assert span is not None
    assert text[span.start : span.end] == "Invoice totals for order 77"
    assert locate(text, "Invoice totals for order 78") is None
    assert locate("abcdefg", "abcdefx") is None, "seven letters are too few to forgive any"
    assert locate("abcdefghijk", "abcdefghijx") is not None


@pytest.mark.parametrize(
    ("field", "quote", "value", "expected"),
    [
        (DocumentField(type=FieldType.ENUM, enum=("open",)), "anything", "open", True),
        (DocumentField(type=FieldType.ENUM, enum=("open",)), "anything", None, False),
        (TEXT, "anything", None, False),
        (DocumentField(type=FieldType.INTEGER), "two 3", 2, True),
        (DocumentField(type=FieldType.INTEGER), "two 3", 3, True),
        (DocumentField(type=FieldType.INTEGER), "in 12.5.2024", 2024, True),
        (DocumentField(type=FieldType.NUMBER), "on 12.5.2024", "2024", False),
        (DocumentField(type=FieldType.DATE), "No. 20240512", "2024-05-12", True),
        (DocumentField(type=FieldType.DATE), "5 de mayo de 2024", "2024-05-05", True),
        (DocumentField(type=FieldType.EMAIL), "Ann@Example.org, bob@example.org", "ann@example.org", True),
        (DocumentField(type=FieldType.EMAIL), "joann@example.org", "ann@example.org", False),
    ],
)
def test_a_quote_yields_each_kind_of_value_in_its_own_way(
    field: DocumentField, quote: str, value: str | int | None, *, expected: bool
) -> None:
    assert yields(field, quote, value) is expected


TABLE = DocumentField(
    type=FieldType.TABLE, columns={"name": TEXT, "quantity": DocumentField(type=FieldType.INTEGER), "price": MONEY}
)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"name": "Red apple", "quantity": "2", "price": "1.50"}, True),
        ({"name": "Red apple"}, True),
        ({"name": "apple Red", "price": None}, True),
        ({"name": "Red pear"}, False),
        ({"name": "Red apple", "quantity": "3"}, False),
        ({"name": "Red apple", "price": "1.05"}, False),
        ({"name": "Red apple", "price": "cheap"}, False),
    ],
)
def test_the_quote_of_a_row_yields_each_of_its_cells(row: dict[str, object], *, expected: bool) -> None:
    line = "Red 2 x apple 1.50"
    assert check(TABLE, reading([row], line), [page(line)]).is_grounded is expected


def test_no_quote_yields_a_table_or_list_of_another_form() -> None:
    line = "Red apple 1.50"
    assert not check(TABLE, reading("Red apple", line), [page(line)]).is_grounded
    assert not check(TABLE, reading(["Red apple"], line), [page(line)]).is_grounded
    assert not check(DocumentField(type=FieldType.LIST), reading("Red", line), [page(line)]).is_grounded


def test_a_value_is_typed_by_the_languages_of_its_type() -> None:
    day = DocumentField(type=FieldType.DATE)
    line = "vom 5. März 2024"
    assert check(day, reading("5. März 2024", line), [page(line)], ("de",)).is_grounded
    assert check(MONEY, reading("1.234", "1.234"), [page("Summe 1.234")], ("de",)).is_grounded
    assert not check(MONEY, reading("1.234", "1.234"), [page("Summe 1.234; 1.50")], LANGUAGES).is_grounded
