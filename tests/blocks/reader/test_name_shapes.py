"""What a line of text could be."""

import pytest

from blocks.reader.name_shapes import (
    clean_name,
    ends_in_legal_form,
    has_legal_form,
    is_address,
    is_contact,
    is_legal_form,
    is_title,
    looks_like_name,
    looks_like_person,
)


@pytest.mark.parametrize(
    "text",
    [
        "Blitz Logistik GmbH",
        "CORNER SHOP",
        "Invoice Factory Ltd",
        "Jalan Trading",
        "Müller & Söhne",
        "Straße 7 Bistro KG",
    ],
)
def test_a_line_of_words_with_a_capital_could_be_a_name(text: str) -> None:
    assert looks_like_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "Invoice", "Total amount", "Germany", "DEUTSCHLAND", "GmbH", "12 Harbour Road", "10115 Berlin", "Tel. 0711",
        "thank you", "without capitals", "A1", "123456 AB", "Date: 3 May", "Mrs.", "18:03 Uhr", "Rechnungsnummer",
        "(c) Ann Moss", "One Two Three Four Five Six Seven Eight", "X" * 71, "www.example.org",
    ],
)  # fmt: skip
def test_titles_addresses_contacts_and_figures_are_no_names(text: str) -> None:
    assert not looks_like_name(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("HARBOUR CAFE SDN BHD (123456-X)", "HARBOUR CAFE SDN BHD"),
        ("Corner Shop Co. Reg No: 77", "Corner Shop"),
        ("Blitz GmbH HRB 12345", "Blitz GmbH"),
        ("* Ann  Moss, *", "Ann Moss"),
        ("Bistro 21", "Bistro 21"),
        ("", ""),
    ],
)
def test_a_name_is_cleaned_of_registration_numbers_and_marks(text: str, name: str) -> None:
    assert clean_name(text) == name


@pytest.mark.parametrize("text", ["Ann Moss", "J. R. van der Berg", "Zoë O'Neil", "Siti binti Ahmad", "Ann-Marie Moss"])
def test_a_person_has_two_to_five_capitalised_words_or_particles(text: str) -> None:
    assert looks_like_person(text)


@pytest.mark.parametrize(
    "text", ["Ann", "Ann Moss Ltd", "Ann moss", "Ann Moss 2nd", "Ann Bea Cid Dan Eve Fay", "Cash Copy"]
)
def test_other_lines_are_no_person(text: str) -> None:
    assert not looks_like_person(text)


def test_legal_forms() -> None:
    assert [is_legal_form(text) for text in ("GmbH", "Sdn. Bhd. (123)", "Blitz GmbH", "")] == [True, True, False, False]
    assert [has_legal_form(text) for text in ("Blitz GmbH", "Corner Mart", "Agatha")] == [True, False, False]
    assert ends_in_legal_form("Blitz Logistik GmbH")
    assert ends_in_legal_form("Blitz Ltd.")
    assert not ends_in_legal_form("GmbH Beratung Blitz")
    assert not ends_in_legal_form("GmbH")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10115 Berlin", True), ("D-10115 Berlin", True), ("80100 JOHOR BAHRU", True), ("Portland, OR 97201", True),
        ("1012 AB Amsterdam", True), ("London SW1A 1AA", True), ("Hauptstr. 7", True), ("12 Harbour Road", True),
        ("NO 4, JALAN PANTAI 2", True), ("4711 KWH", False), ("12345", False), ("Harbour", False), ("1200 HRS", False),
    ],
)  # fmt: skip
def test_a_line_of_an_address_has_a_postcode_with_its_town_or_a_street(text: str, expected: bool) -> None:
    assert is_address(text) is expected


def test_contact_lines_and_titles() -> None:
    assert [is_contact(text) for text in ("Tel 0711", "ann@example.org", "USt-Id DE1", "Hotel Vatican")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert [is_title(text) for text in ("TAX INVOICE", "Page 2", "Invoices Ltd")] == [True, True, False]
