"""Labels in cells: which phrase wins, and which misread text still counts."""

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader.lexicon import Lexicon, plain
from blocks.reader.lines import Cell

TYPE = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "total": DocumentField(
            type=FieldType.MONEY, aliases=("Grand total", "Total"), hints=FieldHints(not_near=("Subtotal",))
        ),
        "tax": DocumentField(type=FieldType.MONEY, aliases=("VAT", "MwSt")),
        "number": DocumentField(type=FieldType.TEXT, aliases=("No", "Invoice #")),
    },
)
LEXICON = Lexicon(TYPE)


def cell(text: str) -> Cell:
    return Cell(1, text, 0, len(text), 0)


def found(text: str) -> list[tuple[str, list[str]]]:
    return [
        (text[label.start : label.end], [("-" if m.is_against else "") + m.field for m in label.meanings])
        for label in LEXICON.find(cell(text))
    ]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("GRAND TOTAL (EUR)", [("GRAND TOTAL", ["total"])]),
        ("Total: 9.00", [("Total", ["total"])]),
        ("Sub-total 9.00", [("Sub-total", ["-total"])]),
        ("Subtotal 8.00 VAT 1.00", [("Subtotal", ["-total"]), ("VAT", ["tax"])]),
        ("To tal", [("To tal", ["total"])]),
        ("Totally", []),
        ("n°562", [("n°", ["number"])]),
        ("Invoice # 7", [("Invoice #", ["number"])]),
        ("total_amount", []),
        ("Total (incl. VAT)", [("Total", ["total"])]),
        ("(VAT)", [("VAT", ["tax"])]),
        ("Total (ohne Subtotal)", [("Total", ["total"]), ("Subtotal", ["-total"])]),
        ("", []),
    ],
)
def test_the_longest_label_wins_and_none_is_a_part_of_a_word(text: str, labels: list[tuple[str, list[str]]]) -> None:
    assert found(text) == labels


def test_earlier_aliases_rank_first() -> None:
    ranks = [LEXICON.find(cell(text))[0].meaning("total") for text in ("Grand total", "Total")]
    assert [meaning and meaning.rank for meaning in ranks] == [0.0, 0.25]
    assert LEXICON.find(cell("Total"))[0].meaning("tax") is None


def test_a_phrase_of_not_near_is_no_label() -> None:
    (label,) = LEXICON.find(cell("Subtotal"))
    assert label.is_only_against
    (label,) = LEXICON.find(cell("Total"))
    assert not label.is_only_against


def test_one_phrase_may_label_two_fields() -> None:
    twice = TYPE.model_copy(update={"fields": dict.fromkeys(("tax", "duty"), TYPE.fields["tax"])})
    (label,) = Lexicon(twice).find(cell("VAT"))
    assert [meaning.field for meaning in label.meanings] == ["tax", "duty"]


def test_a_misread_label_is_found_where_it_is_similar_enough() -> None:
    phrases = LEXICON.phrases_of(["total"])
    assert phrases == ["grandtotal", "total"], "no phrase of not_near"
    (label,) = LEXICON.find_misread(cell("GRAND T0TAL 9.00"), phrases)
    assert label.cell.text[label.start : label.end] == "GRAND T0TAL"
    assert 0.8 <= label.likeness < 1.0
    assert LEXICON.find_misread(cell("Grand hotel"), phrases) == []
    assert LEXICON.find_misread(cell("70741"), phrases) == [], "figures are no label"


def test_short_phrases_are_never_guessed() -> None:
    assert LEXICON.phrases_of(["tax", "number"]) == ["invoice#"]


def test_plain_text_has_no_case_accents_blanks_or_marks() -> None:
    assert plain("N° de Facture :") == plain("NO DEFACTURE")
    assert plain("№ 7") == "no7"
    assert plain("order_no.#") == "orderno#"
