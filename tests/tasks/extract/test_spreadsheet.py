"""Spreadsheets: a page per sheet, columns in line, values as a person would write them."""

import io
import zipfile
from datetime import date

import pytest
import xlsxwriter

from blocks.errors import Corrupt, Empty, TooManyPages
from blocks.files.media_types import XLSX
from blocks.files.recognition import media_type_of
from blocks.records import Extraction
from tasks.extract import spreadsheet
from tasks.extract.reading import unpack

ARGUMENTS = {"media_type": XLSX, "max_pages": 10}


def workbook(*, hidden: str = "", **sheets: list[list[object]]) -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"default_date_format": "dd.mm.yyyy"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
            if name == hidden:
                sheet.hide()
    return target.getvalue()


def read(content: bytes, **arguments: object) -> Extraction:
    assert media_type_of(content) == XLSX
    return Extraction.model_validate_json(unpack(spreadsheet.read(content, ARGUMENTS | arguments))[1])


def test_a_page_per_sheet_with_columns_in_line() -> None:
    extraction = read(
        workbook(
            Invoice=[
                ["Invoice number:", "INV-1", None],
                ["Date:", date(2025, 3, 12), None],
                [None, None, None],
                [None, None, None],
                ["Item", "Quantity", "Total"],
                ["Oak board", 4, 1234.5],
                ["Nail", 0.1 + 0.2, -10.0],
            ],
            Notes=[["Thank you"]],
        )
    )
    assert [page.text for page in extraction.pages] == [
        (
            "Invoice number:  INV-1\n"
            "Date:            2025-03-12\n"
            "\n"
            "Item             Quantity    Total\n"
            "Oak board        4           1234.50\n"
            "Nail             0.30        -10"
        ),
        "Thank you",
    ]
    assert extraction.attributes == {"sheets": "Invoice, Notes"}


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (123456.78, "123456.78"),
        (-65536.01, "-65536.01"),
        (987654321.09, "987654321.09"),
        (1234567.5, "1234567.50"),
        (0.1 + 0.2, "0.30"),
        (3 * 33333.33, "99999.99"),
        (1.23456, "1.23456"),
    ],
)
def test_a_number_has_the_digits_that_its_sheet_shows(number: float, written: str) -> None:
    """Twelve decimals of a large binary fraction are digits that nobody typed."""
    assert read(workbook(A=[[number]])).visible_text == written


def test_a_hidden_sheet_is_hidden_text() -> None:
    extraction = read(workbook(Seen=[["seen"]], Unseen=[["approve", "this"]], hidden="Unseen"))
    assert (extraction.visible_text, extraction.hidden_text) == ("seen", "approve  this")


def test_limits_and_broken_files() -> None:
    with pytest.raises(Empty):
        read(workbook(Blank=[]))
    with pytest.raises(TooManyPages):
        read(workbook(A=[["x"]], B=[["y"]]), max_pages=1)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("xl/workbook.xml", "<broken")
    with pytest.raises(Corrupt, match="calamine says"):
        spreadsheet.read(target.getvalue(), ARGUMENTS)
