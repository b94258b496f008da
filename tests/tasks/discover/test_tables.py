"""Nothing of a table is lost without a word, however it is written."""

import pytest

from blocks.errors import Corrupt, RowsColumnMissing
from tasks.discover.tables import csv_cells, jsonl_cells


def texts(content: bytes | str) -> list[str]:
    """The cells of column ``text``, none of which may be in doubt."""
    cells = list(csv_cells(content if isinstance(content, bytes) else content.encode(), "text"))
    assert [problem for _, problem in cells if problem] == []
    return [cell for cell, _ in cells]


@pytest.mark.parametrize(
    "content",
    [
        "text,n\na,1\nb,2\n".encode("utf-8-sig"),
        "text,n\na,1\nb,2\n".encode("utf-16"),
        "text;n\na;1\nb;2\n",
        "sep=;\nn;text\n1;a\n2;b",
        "n\ttext\r\n1\ta\r\n2\tb\r\n",
        "\n\r\nn|text\n1|a\n\n2|b\n",
        " n , text \n1,a\n2,b,,\n",
        "n,text\r1,a\r2,b",
    ],
)
def test_the_ways_to_write_a_table(content: bytes | str) -> None:
    assert texts(content) == ["a", "b"]


def test_a_single_column_has_no_delimiter() -> None:
    assert texts("text\nDear all, I wait, still\nNo; never\n") == ["Dear all, I wait, still", "No; never"]


def test_other_delimiters_within_cells_are_text() -> None:
    assert texts('n;text\n1;a, b, c\n2;"d; e"\n') == ["a, b, c", "d; e"]


def test_a_row_with_more_cells_than_columns_is_doubtful_and_whole() -> None:
    first, second = csv_cells(b"n,text\n1,I wait, still\n2,b\n", "text")
    assert first == ("1,I wait, still", "the row on line 2 has 3 cells, and the table 2 columns")
    assert second == ("b", None)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_quotation_mark_that_is_never_closed_is_told(end: str) -> None:
    first, second = csv_cells(f'n,text\n1,a\n2,"b\n3,c{end}'.encode(), "text")
    assert first == ("a", None)
    assert second == (f"2,b\n3,c{end}", "a quotation mark in the row that begins on line 3 is never closed")


def test_tables_that_have_no_such_column_or_two() -> None:
    with pytest.raises(RowsColumnMissing, match="it has: none"):
        list(csv_cells(b"\n", "text"))
    with pytest.raises(Corrupt, match="2 columns are called 'text'"):
        list(csv_cells(b"text,text\na,b\n", "text"))
    with pytest.raises(Corrupt, match="first row is never closed"):
        list(csv_cells(b'"text,n\na,1\n', "text"))
    with pytest.raises(RowsColumnMissing):
        list(jsonl_cells(b'{"a": 1}\n', "text"))


def test_a_broken_line_of_json_costs_itself() -> None:
    content = b'\xef\xbb\xbf{"text": "a"}\r\n{"text": \r\n[1]\r\n\r\n{"text": "b"}'
    cells = list(jsonl_cells(content, "text"))
    assert [cell for cell, problem in cells if problem is None] == ["a", "b"]
    assert [(cell, (problem or "")[:6]) for cell, problem in cells if problem] == [
        ('{"text": ', "line 2"),
        ("[1]", "line 3"),
    ]


def test_lines_of_json_may_end_in_any_way() -> None:
    assert list(jsonl_cells(b'{"text": "a"}\r{"text": "b\xe2\x80\xa8c"}\r', "text")) == [
        ("a", None),
        ("b\u2028c", None),
    ]
