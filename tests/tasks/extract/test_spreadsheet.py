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
from tests.tasks.extract.test_open_document import SPACES, document

ODS = "application/vnd.oasis.opendocument.spreadsheet"
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


@pytest.mark.parametrize(("days", "written"), [(1.5, "36:00"), (4.3125, "103:30"), (1.0001, "24:00:09")])
def test_hours_are_summed_up_beyond_a_day(days: float, written: str) -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target) as book:
        book.add_worksheet("A").write(0, 0, days, book.add_format({"num_format": "[h]:mm:ss"}))
    assert read(target.getvalue()).visible_text == written


def test_a_cell_stands_apart_from_a_wide_one_before_it() -> None:
    wide = "Migration of the billing system to the new data centre"
    text = read(workbook(A=[["Item", "Quantity"], [wide, 4], ["Nail", 20]])).visible_text
    assert text.splitlines() == ["Item".ljust(42) + "Quantity", f"{wide}  4", "Nail".ljust(42) + "20"]


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


@pytest.mark.parametrize(
    ("code", "number", "written"),
    [
        ("0.00", 248.001, "248.00"),
        ("#,##0.00", 1239.996, "1240.00"),
        ("0", 1234.5, "1235"),
        ("0.00", 1240, "1240.00"),
        ("0%", 0.2, "20%"),
        ("0.0#%", 0.075, "7.5%"),
        ("0.##", 248.5, "248.5"),
        ('#,##0.00\\ "€"', 1240.5, "1240.50 €"),
        ("[$€-407] #,##0.00", 1240.5, "€1240.50"),
        ("[$CHF-807] #,##0.00", 1240.5, "CHF 1240.50"),
        ('_-* #,##0.00_-;\\-* #,##0.00_-;_-* "-"??_-', -10.004, "-10.00"),
        ("#,##0.00;[Red](#,##0.0)", -10.04, "-10.0"),
        ("0.00", -0.001, "0.00"),
        ("0.00", 1e27, f"1{'0' * 27}.00"),
        ("0.0#%", 1e300, f"1{'0' * 302}.0%"),
        ("General", 248.001, "248.001"),
        ("0.00E+00", 248.001, "248.001"),
        ("# ?/?", 0.5, "0.50"),
        ("#,##0.0,", 1234.5, "1234.50"),
        ("[<1]0;0.00", 248.001, "248.001"),
        ("0" * 300, 248.001, "248.001"),
    ],
)
def test_a_number_is_read_as_its_cell_shows_it(code: str, number: float, written: str) -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target) as book:
        sheet = book.add_worksheet("A & B")
        sheet.write(0, 0, "Total")
        sheet.write(2, 2, number, book.add_format({"num_format": code}))
        sheet.write(2, 3, number)
    shown, stored = read(target.getvalue()).visible_text.splitlines()[-1].rsplit("  ", 1)
    assert (shown.strip(), stored) == (written, read(workbook(A=[[number]])).visible_text)


def test_an_ods_is_read_as_its_cells_show_it() -> None:
    cell = '<table:table-cell office:value-type="float" office:value="{}" {}><text:p>{}</text:p></table:table-cell>'
    empty = '<table:table-cell table:number-columns-repeated="2"/>'
    rows = [
        empty + cell.format("1.0E17", "", "1.00E+17"),
        empty + cell.format("248.001", "", "248,00"),
        empty + cell.format("1239.996", "", "1.240,00 €") + cell.format("0.2", "", "20 %"),
        empty + cell.format("7.125", 'table:number-columns-repeated="2"', "7,1") + cell.format("-3", "", "-3,0"),
    ]
    table = '<table:table table:name="A"><table:table-row table:number-rows-repeated="3"/>'
    table += "".join(f"<table:table-row>{row}</table:table-row>" for row in rows) + "</table:table>"
    manifest = {"META-INF/manifest.xml": f"<manifest:manifest {SPACES}/>".encode()}
    body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
    content = document(body, members=manifest, media_type=ODS)
    assert media_type_of(content) == ODS
    reading = spreadsheet.read(content, ARGUMENTS | {"media_type": ODS})
    text = Extraction.model_validate_json(unpack(reading)[1]).visible_text
    assert [line.split() for line in text.splitlines()] == [
        [f"1{'0' * 17}"],
        ["248.00"],
        ["1240.00", "€", "20%"],
        ["7.1", "7.1", "-3.0"],
    ]


def test_a_workbook_with_broken_formats_is_read_by_its_values() -> None:
    target, whole = io.BytesIO(), io.BytesIO()
    with xlsxwriter.Workbook(whole) as book:
        book.add_worksheet("A").write(0, 0, 248.001, book.add_format({"num_format": "0.00"}))
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            archive.writestr(name, content.replace(b' s="1"', b' s="99"') if "sheet1" in name else content)
    assert read(target.getvalue()).visible_text == "248.001"


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
