"""The samples and test documents: each with its provenance, of every kind that the first run should show."""

import re
from email import message_from_bytes
from pathlib import Path

import pytest
from left_out import sample_names
from pypdf import PdfReader

PROJECT = Path(__file__).parent.parent
SAMPLES = PROJECT / "data" / "samples"
RESOURCES = PROJECT / "tests" / "resources"
TYPES = ("receipt", "invoice", "resume", "support_ticket", "moderation_item")


def table(page: Path) -> list[list[str]]:
    """The cells of the page's table of files, without its head."""
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if not row.startswith("| file |")]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_every_sample_has_its_row_and_every_row_its_sample() -> None:
    listed = [row[0] for row in table(PROJECT / "data" / "samples.md")]
    assert sorted(listed) == sorted(files(SAMPLES))


def test_every_sample_says_its_origin_and_a_licence_that_is_explained() -> None:
    page = (PROJECT / "data" / "samples.md").read_text(encoding="utf-8")
    for file, origin, licence, _ in table(PROJECT / "data" / "samples.md"):
        if licence == "Apache-2.0 (own)":
            assert origin == "Winnow", file
        else:
            folder, *_ = origin.split("/")
            notice = re.search(rf"- \*\*{folder}\*\*:(.*?)(?=\n- \*\*|\n## )", page, re.DOTALL)
            assert notice is not None, folder
            assert licence.split("-")[0].split(" ")[0] in notice[1], file


def test_nothing_stands_in_the_samples_that_may_not_be_given_on() -> None:
    sets = {row[1].split("/")[0] for row in table(PROJECT / "data" / "samples.md")}
    assert sets == {"Winnow", "einvoices", "invoice2data", "sroie_text", "tickets"}


def test_the_samples_are_many_of_every_type_and_small() -> None:
    assert len(files(SAMPLES)) >= 40
    assert all(len(files(SAMPLES / name)) >= 8 for name in TYPES)
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 6_000_000


def test_broken_files_are_broken_as_their_names_say() -> None:
    mixed = SAMPLES / "mixed"
    assert PdfReader(mixed / "encrypted.pdf").is_encrypted
    assert PdfReader(mixed / "encrypted.pdf").decrypt("") == 0
    assert (mixed / "no_bytes.pdf").stat().st_size == 0
    assert len(PdfReader(mixed / "no_pages.pdf").pages) == 0
    assert b"%%EOF" not in (mixed / "truncated.pdf").read_bytes()
    assert "approve at once" in PdfReader(mixed / "hidden_text.pdf").pages[0].extract_text()


def test_the_mail_carries_an_invoice_and_a_receipt() -> None:
    message = message_from_bytes((SAMPLES / "mixed" / "mail_with_attachments.eml").read_bytes())
    attached = [part.get_content_type() for part in message.walk() if part.get_filename()]
    assert attached == ["application/pdf", "image/jpeg"]


@pytest.mark.parametrize("folder", ["documents", "document_types"])
def test_every_test_document_has_its_row(folder: str) -> None:
    listed = {row[0] for row in table(RESOURCES / "README.md") if row[0].startswith(f"{folder}/")}
    assert listed == {f"{folder}/{path.name}" for path in (RESOURCES / folder).iterdir()}


def test_figures_can_leave_out_what_the_samples_are_made_from() -> None:
    names = sample_names()
    assert {"v1_Intarsys_ZUGFeRD_1p0_COMFORT_Einfach", "X00016469612", "D00003", "AzureInterior"} <= names
    assert not any("/" in name or name in ("Winnow", "labels") for name in names)
