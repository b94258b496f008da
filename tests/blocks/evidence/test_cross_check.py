import math
import re

import pytest
from pydantic import JsonValue

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.evidence.cross_check import Support, cross_check, similarity, support
from blocks.evidence.document_reading import DocumentReading, FieldCandidate
from blocks.evidence.findings import find_fields
from blocks.gateway.routing.judge import control_fields
from blocks.reader.reading import read
from blocks.records import Evidence, FieldReading, Page, Signals
from blocks.settings import PROJECT_DIR

SAMPLES = PROJECT_DIR / "data" / "samples" / "receipt"
RECEIPT = load_document_types(PROJECT_DIR / "data" / "document_types")["receipt"]
TEXT = DocumentField(type=FieldType.TEXT)

KRUMM = {"company": "Krumm & Sons Bakery", "date": "14/02/2025", "total": "12.50"}
TRUTHS = {
    "bakery": KRUMM,
    "X00016469612": {"company": "BOOK TA .K(TAMAN DAYA) SDN BND", "date": "25/12/2018", "total": "9.00"},
    "X51005763940": {"company": "ELITETRAX MARKETING SDN BHD", "date": "11.02.18", "total": "60.00"},
    "X51006619496": {"company": "99 SPEED MART S/B", "date": "14-12-16", "total": "61.65"},
    "X51007339111": {"company": "SANYU STATIONERY SHOP", "date": "12/08/2017", "total": "3.00"},
}
"""What the receipts say, read by eye; the third names a chain above the company, the last a supplier below it."""


def page_of(name: str) -> tuple[Page, ...]:
    return (Page(number=1, method="parsed", text=(SAMPLES / f"{name}.txt").read_text(encoding="utf-8")),)


def quoted(value: str, quote: str) -> FieldReading:
    return FieldReading(value=value, evidence=(Evidence(page=1, quote=quote),), signals=Signals(stated=0.99))


def line_with(pages: tuple[Page, ...], text: str) -> str:
    return next(line for line in pages[0].text.splitlines() if text.casefold() in line.casefold())


def of(name: str, value: JsonValue, document_type: DocumentType = RECEIPT, text: str = "") -> Support:
    """The built-in reader's support of a value, on the bakery's receipt or on a page with this text."""
    pages = page_of("bakery") if not text else (Page(number=1, method="parsed", text=text),)
    return support(document_type, read(document_type, pages), name, value)


def test_the_first_choice_and_the_next_best_value_have_their_odds() -> None:
    total = of("total", "12.50")
    assert total.probability > 0.8
    assert total.rival < 0.2
    lie = of("total", "5.20")
    assert lie.probability < 0.05
    assert lie.rival == total.probability


def test_values_are_compared_as_results_hold_them() -> None:
    assert of("total", "GBP 12.50") == of("total", "12.5")
    assert of("date", "14/02/2025") == of("date", "2025-02-14")
    assert of("date", "no date at all").probability == 0.0


def test_a_field_without_candidates_supports_nothing() -> None:
    memo = DocumentType(name="memo", title="Memo", fields={"number": DocumentField(type=FieldType.TEXT)})
    assert of("number", "7", memo, "Dear Ann") == Support(0.0, 0.0)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("ACME Ltd", "acme ltd.", 1.0),
        ("Max Mustermann", "Herrn Max Mustermann", 1.0),
        ("THREE STOOGES", "Three Stooges Bistro & Cafe", 1.0),
        ("HAPPY SNACKS ENTERPRISE", "HAPPY SNACKS ENTYERPRISE", 1.0),
        ("SDN BHD", "GARDENIA BAKERIES (KL) SDN BHD", 0.0),
        ("Branch 12 Trading", "Branch 13 Trading", 0.0),
        ("Alpha Trading", "Omega Trading", 0.0),
        ("", "Alpha", 0.0),
    ],
)
def test_names_are_the_same_without_title_and_misread_letters(first: str, second: str, expected: float) -> None:
    assert similarity(TEXT, first, second) == similarity(TEXT, second, first) == expected


def test_a_whole_number_is_compared_as_one() -> None:
    days = DocumentField(type=FieldType.INTEGER, required=True, aliases=("days",))
    terms = DocumentType(name="terms", title="Terms", fields={"days": days})
    assert of("days", 30, terms, "Days: 30") == of("days", "30", terms, "Days: 30")
    assert of("days", 30, terms, "Days: 30").probability > 0.5


def test_lists_and_tables_are_alike_by_what_they_share() -> None:
    assert similarity(DocumentField(type=FieldType.LIST), ["a", "b"], ["B", "c"]) == 0.5
    table = DocumentField(type=FieldType.TABLE, columns={"name": TEXT, "price": DocumentField(type=FieldType.MONEY)})
    rows: list[JsonValue] = [{"name": "Apple", "price": "1.50"}, {"name": "Pear No. 2", "price": "2.00"}]
    shortened: list[JsonValue] = [{"name": "Apple red", "price": "1.50"}]
    assert similarity(table, rows, [{"name": "Apple", "price": "1.50"}, {"name": "Pear", "price": "2.00"}]) == 1.0
    assert similarity(table, rows, shortened) == 0.5


def test_an_enum_fields_labels_are_all_weighed() -> None:
    kinds = DocumentField(
        type=FieldType.ENUM,
        enum=("refund", "delivery"),
        hints=FieldHints(keywords={"refund": ("money back", "refund"), "delivery": ("parcel", "courier")}),
    )
    ticket = DocumentType(name="ticket", title="Ticket", fields={"kind": kinds})
    text = "I want a refund, my money back please"
    refund, delivery = of("kind", "refund", ticket, text), of("kind", "delivery", ticket, text)
    assert refund.probability > refund.rival > 0.0
    assert delivery.probability == refund.rival
    assert delivery.probability < delivery.rival < refund.probability, "a judgement is contradicted by half"


def test_the_cross_check_adds_the_support_of_each_field_and_of_the_others() -> None:
    pages = page_of("bakery")
    readings = {name: quoted(value, line_with(pages, value)) for name, value in KRUMM.items()}
    checked = cross_check(readings, RECEIPT, read(RECEIPT, pages))
    for reading in checked.values():
        assert reading.signals is not None
        assert reading.signals.stated == 0.99
        assert (reading.signals.witness or 0.0) > (reading.signals.rival or 0.0)
        assert (reading.signals.peers or 0.0) > 0.7
    only = cross_check({"total": readings["total"]}, RECEIPT, read(RECEIPT, pages))["total"].signals
    assert only is not None
    assert only.peers is None, "a reply of one field has no others"


def test_known_fields_asked_along_with_an_unsure_field_support_it() -> None:
    pages = page_of("bakery")
    assert control_fields(RECEIPT, ("total",)) == ("company", "date")
    assert control_fields(RECEIPT, ("company", "date", "total", "currency")) == ()
    readings = {name: quoted(value, line_with(pages, value)) for name, value in KRUMM.items()}
    checked = cross_check(readings, RECEIPT, read(RECEIPT, pages))["total"].signals
    assert checked is not None
    assert (checked.peers or 0.0) > 0.7


def test_a_written_field_is_nothing_to_cross_check() -> None:
    mail = DocumentType(name="mail", title="Mail", fields={"answer": DocumentField(type=FieldType.TEXT, written=True)})
    checked = cross_check(
        {"answer": quoted("Dear Ann", "Ann")}, mail, read(mail, (Page(number=1, method="parsed", text="Ann"),))
    )
    assert checked["answer"].signals == Signals(stated=0.99)


@pytest.mark.parametrize("name", TRUTHS)
def test_true_values_of_a_real_receipt_are_sure_and_values_from_elsewhere_on_it_are_not(name: str) -> None:
    pages = page_of(name)
    reading = read(RECEIPT, pages)
    truth = {field: quoted(value, line_with(pages, value)) for field, value in TRUTHS[name].items()}
    found = find_fields(RECEIPT, cross_check(truth, RECEIPT, reading), pages)
    assert all(found[field].confidence >= RECEIPT.review.accept_at for field in truth), found
    assert not any(found[field].problem for field in truth)
    last = pages[0].text.splitlines()[-1]
    lies = {"company": quoted(last, last), "date": truth["date"], "total": _other_amount(pages, TRUTHS[name]["total"])}
    judged = find_fields(RECEIPT, cross_check(lies, RECEIPT, reading), pages)
    assert min(judged[field].confidence for field in ("company", "total")) < RECEIPT.review.accept_at


def _other_amount(pages: tuple[Page, ...], truth: str) -> FieldReading:
    """The first amount of the page that is not the total."""
    for line in pages[0].text.splitlines():
        for found in re.findall(r"(?<![\d.])\d+\.\d\d(?![\d.])", line):
            if found != truth and float(found):
                return quoted(found, line)
    raise AssertionError("the receipt has a single amount")


def bill(*, is_day_required: bool = True) -> DocumentType:
    fields = {
        "day": DocumentField(type=FieldType.DATE, required=is_day_required),
        "total": DocumentField(type=FieldType.MONEY, required=is_day_required),
        "post": DocumentField(type=FieldType.MONEY),
    }
    return DocumentType(name="bill", title="Bill", fields=fields)


READING = DocumentReading(
    "1",
    candidates={
        "day": (FieldCandidate("2024-05-01", 0.8), FieldCandidate("2024-06-01", 0.1)),
        "total": (FieldCandidate("9.00", 0.6), FieldCandidate("4.50", 0.3)),
        "post": (FieldCandidate("4.50", 0.05), FieldCandidate("9.00", 0.9)),
    },
)


def checked_signals(values: dict[str, JsonValue], document_type: DocumentType) -> dict[str, Signals]:
    readings = {name: FieldReading(value=value) for name, value in values.items()}
    checked = cross_check(readings, document_type, READING)
    return {name: reading.signals for name, reading in checked.items() if reading.signals is not None}


def likelihood(*log_odds: float) -> float:
    return 1 / (1 + math.exp(-sum(log_odds)))


def test_optional_fields_count_neither_for_nor_against_the_rest_of_a_reply() -> None:
    required: dict[str, JsonValue] = {"day": "2024-05-01", "total": "9.00"}
    signals = checked_signals({**required, "post": "4.50"}, bill())
    assert signals["total"].peers == checked_signals(required, bill())["total"].peers
    day, total = Support(0.8, 0.1).log_odds, Support(0.6, 0.3).log_odds
    assert signals["total"].peers == pytest.approx(likelihood(0.5 * day))
    assert signals["post"].peers == pytest.approx(likelihood(0.5 * day, 0.5 * total)), "required ones count for it"


def test_where_a_type_requires_nothing_all_fields_count_for_each_other() -> None:
    signals = checked_signals({"total": "9.00", "post": "4.50"}, bill(is_day_required=False))
    assert signals["total"].peers == pytest.approx(likelihood(0.5 * Support(0.05, 0.9).log_odds))
    assert (signals["total"].peers or 1.0) < 0.5 < (signals["post"].peers or 0.0)


def test_what_is_no_field_of_the_type_or_has_no_value_is_not_cross_checked() -> None:
    assert set(checked_signals({"day": "2024-05-01", "total": None, "stamp": "9.00"}, bill())) == {"day"}
    assert checked_signals({"day": "2024-05-01", "total": None}, bill())["day"].peers is None


def test_probabilities_of_equal_candidates_add_up_and_the_best_other_is_the_rival() -> None:
    names = DocumentType(name="note", title="Note", fields={"name": TEXT})
    found = (
        FieldCandidate("Krumm & Sons", 0.5),
        FieldCandidate("KRUMM & SONS.", 0.25),
        FieldCandidate("Alpha", 0.1),
        FieldCandidate("Omega", 0.15),
    )
    assert support(names, DocumentReading("1", candidates={"name": found}), "name", "Krumm & Sons") == Support(
        0.75, 0.15
    )
    sure = (FieldCandidate("Alpha", 0.9), FieldCandidate("alpha", 0.9))
    assert support(names, DocumentReading("1", candidates={"name": sure}), "name", "Alpha").probability == 1.0


def test_a_list_in_part_is_supported_in_part_and_rivalled_by_the_rest() -> None:
    skills = DocumentType(name="cv", title="CV", fields={"skills": DocumentField(type=FieldType.LIST)})
    found = DocumentReading("1", candidates={"skills": (FieldCandidate(["sql", "git", "go", "c"], 0.8),)})
    part = support(skills, found, "skills", ["SQL"])
    assert (part.probability, part.rival) == pytest.approx((0.2, 0.6))


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("Alpha", "Alphabetic", True),
        ("Alpha", "Alphabetics", False),
        ("Alphabet", "Alphabat", False),
        ("Alphabet Inc", "Alphabat Inc", True),
        ("Alpha 1", "Alpha 1 Beta", True),
        ("Alpha 1", "Alpha Beta 12", False),
        ("beta", "Alphabetagamma", False),
    ],
)
def test_a_shorter_name_has_half_of_the_letters_and_misread_letters_need_a_long_name(
    first: str, second: str, *, is_same: bool
) -> None:
    assert similarity(TEXT, first, second) == float(is_same)
