"""Titles of papers: what a text says that it is, and references to other papers."""

import pytest

from tasks.classify.outline import outline_of, words_of
from tasks.classify.papers import Strength, known_papers, with_names


def titles(text: str) -> list[tuple[str, str]]:
    return [(title.name, title.strength.name) for title in known_papers().titles(outline_of(text))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PURCHASE ORDER", [("purchase order", "ALONE")]),
        ("Remittance advice", [("remittance advice", "ALONE")]),
        ("R E C H N U N G", [("rechnung", "ALONE")]),
        ("Angebot Nr. 2025-311", [("angebot", "NUMBERED")]),
        ("FACTURE PRO FORMA n° 2025-044", [("facture pro forma", "NUMBERED")]),
        ("Proforma-Rechnung Nr. P-208", [("proforma rechnung", "NUMBERED")]),
        ("Order no.: 4711", [("order", "REFERENCE")]),
        ("Your bank statement", [("bank statement", "PHRASE")]),
        ("Minutes of the meeting of our choir", [("minutes of the meeting", "PHRASE")]),
        ("Subject: Formal complaint - late trains", [("formal complaint", "PHRASE")]),
        ("Einkommensteuerbescheid 2023", [("einkommensteuerbescheid", "NUMBERED")]),
        ("Please order new school jumpers by Friday at the latest, and bring the old ones with you.", []),
        ("From: Invoice Team <invoice@example.com>", []),
        ("The certificate was lost", []),
        ("Bill to:", []),
        ("Abrechnung der Brutto/Netto-Bezüge für Mai", []),
        ("Invoice to", []),
        ("Order placed by: A. Roe", []),
    ],
)
def test_titles_stand_out_and_sentences_do_not(line: str, expected: list[tuple[str, str]]) -> None:
    assert titles(f"Brightwater Ltd\n14 Canal Road\nLeeds\n\n{line}\n") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Abrechnung der Brutto/Netto-Bezüge für Mai", [("abrechnung der brutto", "PHRASE")]),
        ("Notulen bestuursvergadering", [("notulen", "PHRASE")]),
        ("Sales quote SQ-2025-77 valid until 30 June 2025", [("sales quote", "NUMBERED")]),
        ("Order your tickets now", []),
    ],
)
def test_the_first_lines_may_have_more_than_the_title(line: str, expected: list[tuple[str, str]]) -> None:
    assert titles(f"{line}\nDale\n") == expected


def test_a_label_whose_value_stands_on_the_next_line_is_no_title() -> None:
    assert titles("Bistro\nORDER\n: 00012916\n") == [("order", "REFERENCE")]


def test_a_label_beside_others_is_a_reference_and_no_title() -> None:
    found = titles("A\nB\nC\nD\nE\nInvoice no.   Order   Delivery note   Amount\n")
    assert {strength for _, strength in found} == {"REFERENCE"}


def test_the_longest_name_wins() -> None:
    assert known_papers().kinds_in(words_of("Order confirmation")) == {"order confirmation"}
    assert known_papers().kinds_in(words_of("Our pro forma invoice")) == {"pro forma invoice"}
    assert known_papers().kinds_in(words_of("Something else")) == frozenset()


def test_further_names_join_the_known_ones() -> None:
    papers = with_names(known_papers(), {"type slip": ["Yard slip", "Invoice"]})
    assert papers.kinds_in(words_of("yard slip")) == {"type slip"}
    assert "type slip" in papers.kinds_in(words_of("invoice"))
    assert "type slip" not in known_papers().kinds_in(words_of("invoice"))


def test_strengths_are_ordered() -> None:
    assert Strength.REFERENCE < Strength.PHRASE < Strength.NUMBERED < Strength.ALONE
