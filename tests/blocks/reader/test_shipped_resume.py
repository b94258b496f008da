"""Résumés as shipped: whose it is, and the years of experience that it states. All persons are invented."""

from pathlib import Path

import pytest

from blocks.document_types.loader import load_document_types
from blocks.evidence.grounding import check
from blocks.reader import reading as reader
from blocks.records import FieldReading, Page

RESUME = load_document_types(Path(__file__).parents[3] / "data" / "document_types")["resume"]
SURE = 0.95


def read(text: str, name: str) -> FieldReading | None:
    pages = (Page(number=1, method="parsed", text=text),)
    reading = reader.read(RESUME, pages).fields.get(name)
    assert reading is None or check(RESUME.fields[name], reading, pages, RESUME.languages).is_grounded
    return reading


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SENIOR CASHIER\nIngrid Solheim\ningrid.solheim@example.org\nSummary\nCareful.", "Ingrid Solheim"),
        ("Femi Adebayo-Cole\nEmail: f.adebayo@example.com Tel: +44 191 498 0163\nProfile", "Femi Adebayo-Cole"),
        ("JOAN BAKER, CPA | joan.baker@example.com | Leeds\nPASTRY CHEF\nSkills", "JOAN BAKER"),
        ("CURRICULUM VITAE\nPersonal details\nName: Inés Carrasco Vidal\nBorn: 1990", "Inés Carrasco Vidal"),
        ("Delphine\nMarchetti\nWeb designer\ndelphine.marchetti@example.net", "Delphine Marchetti"),
    ],
)  # fmt: skip
def test_a_name_that_a_label_or_the_address_confirms_is_nearly_sure(text: str, name: str) -> None:
    reading = read(text, "name")
    assert reading is not None
    assert reading.value == name
    assert reading.confidence > SURE


def test_a_name_over_a_telephone_number_alone_is_likely_and_no_more() -> None:
    reading = read("Oskar Lindgren\n+46 8 123 456 78\nForklift driver\nWork History\nDriver, 2011 - Present", "name")
    assert reading is not None
    assert reading.value == "Oskar Lindgren"
    assert 0.5 < reading.confidence < SURE


@pytest.mark.parametrize(
    "text",
    [
        "SENIOR RESIDENT INSPECTOR\nSummary\nDependable.\nWork History\nInspector 01/2010 to Current",
        "STUDENT ATTORNEY - CRIMINAL DEFENSE\nSummary\nRecent law school graduate.",
        "DIRECTOR OF OPERATIONS, BPO\nExecutive Summary\nResults-focused.\nCore Competencies\nLeadership",
        "KEY HOLDER\njane.smithers@example.com | +44 20 7946 0111\nSummary\nOrganised.",
        "Crystal Reports\nProject Management\nPower Point\nProfessional Affiliations",
        "DATA WRANGLER\nkatie.jones@example.com\n+44 20 7946 0001\nLondon",
    ],
)
def test_titles_and_headings_are_no_names(text: str) -> None:
    reading = read(text, "name")
    assert reading is None or reading.confidence <= 0.5


@pytest.mark.parametrize(
    ("sentence", "years"),
    [
        ("Cashier with over 12 years of experience in retail.", 12),
        ("Sous chef with seven years in professional kitchens.", 7),
        ("More than twenty-five years of classroom experience.", 25),
        ("12+ years in logistics and fleet planning.", 12),
        ("Years of experience: 9", 9),
        ("Offering 15 years of progressive leadership experience.", 15),
        ("Manager with nearly five\nyears of experience.", 5),
        ("Nurse with 4 years experience in care and 11 years of experience in all.", 11),
    ],
)
def test_years_are_read_where_they_are_stated(sentence: str, years: int) -> None:
    reading = read(f"CLERK\nSummary\n{sentence}\nSkills\nExcel", "years_experience")
    assert reading is not None
    assert reading.value == str(years)
    assert reading.confidence > SURE


@pytest.mark.parametrize(
    "sentence",
    [
        "Human resources for companies of 50 to 900 people with experience in policy.",
        "22 regular clients; years of experience that speak for themselves.",
        "Checked the age of guests who appear to be 30 years old or younger. Experience in bars.",
        "Held the post for 3-5 years. Work experience with a budget of 40.",
        "Member since 2018, 30 percent growth in two years.",
        "Four years experience as yearbook advisor.\n" + "Taught.\n" * 25 + "Ten years experience teaching English.",
    ],
)
def test_other_numbers_are_no_years_of_experience(sentence: str) -> None:
    assert read(f"CLERK\nSummary\n{sentence}\nSkills\nExcel", "years_experience") is None
