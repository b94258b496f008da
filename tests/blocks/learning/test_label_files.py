"""Files of labels as spreadsheets and programs write them, a row at a time."""

import io
import tracemalloc
from pathlib import Path

import pytest
from pydantic import JsonValue

from blocks.learning.errors import LabelFileInvalid
from blocks.learning.label_files import COLUMNS, FileRow, csv_cells, row_of, rows_in
from tests.blocks.learning.test_labels import TYPES, label

Cells = dict[str, JsonValue]


def rows(content: str | bytes) -> list[FileRow]:
    raw = content if isinstance(content, bytes) else content.encode()
    return list(rows_in(io.BytesIO(raw), "f.csv"))


def cells(uri: str, field: str, value: JsonValue) -> Cells:
    return {"uri": uri, "field": field, "value": value}


@pytest.mark.parametrize(
    "content",
    [
        "uri,field,value\na,total,1\nb,total,\n",
        "uri;field;value\na;total;1\nb;total;\n",
        "uri\tfield\tvalue\na\ttotal\t1\nb\ttotal\t\n",
        "\ufeffURI, Field ,VALUE\r\na,total,1\r\nb,total,\r\n",
        '"uri","field","value"\r"a","total","1"\r"b","total",""',
        "\n\nuri,field,value,,\na,total,1,,\n,,,,\n\nb,total,,,\n",
    ],
)
def test_a_csv_file_as_any_program_writes_it(content: str) -> None:
    found = [{name: cell for name, cell in row.cells.items() if name} for row in rows(content)]
    assert found == [cells("a", "total", "1"), cells("b", "total", "")]


def test_rows_are_numbered_by_the_line_on_which_they_begin() -> None:
    found = rows('uri,field,value\na,x,"1\r\n2\n3"\n\nb,x,2\n')
    assert [(row.line, row.cells["value"]) for row in found] == [(2, "1\r\n2\n3"), (6, "2")]
    assert [row.line for row in rows("\n\nuri,field,value\na,x,1\n")] == [4]


def test_a_broken_row_costs_no_other_row() -> None:
    found = rows('uri,field,value\na,x\nb,x,1,5\n"c"d,x,1\ne,x,1\n"f,x,1\ng,x,1\n')
    assert [(row.line, row.problem) for row in found] == [
        (2, "the row has 2 cells, and the first line has 3"),
        (
            3,
            "the row has 4 cells, and the first line has 3; put quotes around a value that has the separator in it",
        ),
        (4, "the row cannot be read (',' expected after '\"'); look at its quotes"),
        (5, ""),
        (6, "the row cannot be read (unexpected end of data); look at its quotes"),
    ]
    assert found[3].cells == cells("e", "x", "1")


def test_objects_on_lines_are_rows_too() -> None:
    found = rows(
        '{"uri": "a", "field": "x", "value": 1.5}\n\n{"URI": "b", "field": "x", "value": null}\n'
        '{"uri": "c", "field": "x"}\n[1]\nno\n{"uri": "d", "field": "x", "value": NaN}\n'
    )
    assert [row.cells for row in found[:2]] == [cells("a", "x", 1.5), cells("b", "x", None)]
    assert [(row.line, row.problem.partition(" (")[0]) for row in found[2:]] == [
        (4, "the object has no value"),
        (5, "the line is no JSON object"),
        (6, "the line is no JSON object"),
        (7, "the line is no JSON object"),
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no column uri (or document_id) and no field and no value"),
        (b"file,company\na,b\n", "no column uri (or document_id) and no field and no value"),
        (b"document_id,value\n", "no column field;"),
        (b'"uri"x,field,value\n', "its first line cannot be read"),
        (b'[{"uri": "a"}]', "it is one JSON list; write an object per line"),
        (b"uri,field,value\na,x,caf\xe9\n", "it is not in UTF-8"),
        ("uri,field,value\n".encode("utf-16"), "it is not in UTF-8"),
    ],
)
def test_a_file_that_is_none_of_labels_says_what_is_wrong(content: bytes, why: str) -> None:
    with pytest.raises(LabelFileInvalid) as refused:
        rows(content)
    assert str(refused.value).startswith("f.csv is no file of labels: ")
    assert why in str(refused.value)


def test_no_spreadsheet_computes_what_is_written_and_it_is_read_back() -> None:
    row = row_of(label(value="=1+1", drawn_with=0.1), "/in/-a.pdf", TYPES)
    assert tuple(row) == COLUMNS
    written = csv_cells(row)
    assert (written["value"], written["drawn_with"]) == ("'=1+1", "0.1")
    line = ",".join(f'"{cell}"' for cell in written.values())
    (read,) = rows(f"{','.join(COLUMNS)}\n{line}\n")
    assert (read.cells["value"], read.cells["uri"]) == ("=1+1", "/in/-a.pdf")


def test_a_long_file_is_not_held_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_text("uri,field,value\n" + "a,total,1\n" * 200_000)
    tracemalloc.start()
    with file.open("rb") as stream:
        assert len([0 for _ in rows_in(stream, "long.csv")]) == 200_000
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()
