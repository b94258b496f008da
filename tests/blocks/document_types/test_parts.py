"""Parts of a type's folder: default names of expectations, and the files that are read."""

from pathlib import Path

import pytest

from blocks.document_types.parts import Problem, default_name, entries, read_text


@pytest.mark.parametrize(
    ("type_", "kwargs", "name"),
    [
        ("ExpectColumnValuesToNotBeNull", {"column": "total"}, "total_not_be_null"),
        ("expect_column_values_to_not_be_null", {"column": "total"}, "total_not_be_null"),
        ("ExpectColumnPairValuesToBeEqual", {"column_A": "due", "column_B": "paid"}, "due_paid_to_be_equal"),
        ("ExpectCompoundColumnsToBeUnique", {"column_list": ["a", "b"]}, "a_b_to_be_unique"),
        ("ExpectColumnMaxToBeBetween", {"column": "total"}, "total_max_to_be_between"),
        ("ExpectTableRowCountToBeBetween", {}, "table_row_count_to_be_between"),
        ("ExpectTableRowCountToBeBetween", "no mapping", "table_row_count_to_be_between"),
        ("ExpectColumnValuesToNotBeNull", {"column": 7}, "not_be_null"),
    ],
)
def test_an_expectation_without_a_name_is_named_after_its_columns(type_: str, kwargs: object, name: str) -> None:
    assert default_name(type_, kwargs) == name


def test_files_are_read_in_the_order_of_their_names_without_notes_and_backups(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.csv", "README.md", "NOTICE", ".hidden", "a.csv~", "c.txt"):
        (tmp_path / name).write_text("")
    assert [file.name for file in entries(tmp_path)] == ["a.csv", "b.jsonl", "c.txt"]
    assert [file.name for file in entries(tmp_path, ".jsonl", ".csv")] == ["a.csv", "b.jsonl"]
    assert entries(tmp_path / "nowhere") == []


def test_text_is_utf_8_with_or_without_a_mark_and_any_line_ends(tmp_path: Path) -> None:
    problems: list[Problem] = []
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa\r\nb\n")
    assert read_text(tmp_path / "a", problems) == "a\nb\n"
    assert problems == []
    (tmp_path / "b").write_bytes(b"a\nb\xff\n")
    assert read_text(tmp_path / "b", problems) is None
    assert str(problems.pop()) == f"{tmp_path / 'b'}:2: byte 0xff is not UTF-8; save the file as UTF-8"
    assert read_text(tmp_path, problems) is None
    assert "cannot be read" in problems.pop().message
