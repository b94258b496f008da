"""`winnow review`: people look, claim and decide by the command."""

import csv
import json
import re
import socket
import zipfile
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from blocks.database.engine import Database
from blocks.database.review.judgements import judge
from blocks.database.review.tables import review_decisions, review_events
from blocks.database.review.users import add_user
from blocks.database.tables import results
from blocks.document_types.review_rules import ReviewRules
from blocks.errors import UsageError
from blocks.review.records import Door, FieldJudgement, Judgement, Role
from blocks.review.sheets import plain
from blocks.values.typed_values import squeeze
from deployments.cli.review_files import _read, _read_workbook
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.payloads import PAYLOADS
from tests.review_items import BOB, TYPES, open_item
from tests.winnow_command import Done, winnow

COMPUTED = re.compile(r"[\s\"\ufeff\u200b-\u200f\u202a-\u202e]*[=+\-@＝＋－＠]|[\t\r]")
"""A cell that a spreadsheet might compute."""
TYPE = """\
title: Receipt
description: A receipt of a purchase.
fields:
  company: {type: text}
  total: {type: money, required: true}
  lines: {type: table, columns: {item: {type: text}, price: {type: money}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    types = tmp_path / "types"
    for name in ("receipt", "invoice"):
        (types / name).mkdir(parents=True)
        (types / name / "type.yaml").write_text(f"name: {name}\n{TYPE}")
    return tmp_path


class Command:
    """`winnow review` on a database, with the types of the test."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.url, self.folder = str(database.url.get_secret_value()), folder

    def __call__(self, *arguments: str, expect: int = 0) -> Done:
        environment = {
            "WINNOW_DATABASE_URL": self.url,
            "WINNOW_DOCUMENT_TYPES_DIR": str(self.folder / "types"),
            "LOGNAME": "ann",
        }
        done = winnow("review", *arguments, cwd=self.folder, **environment)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    def json(self, *arguments: str) -> dict[str, Any]:
        return dict(json.loads(self(*arguments, "--json").stdout))


@pytest.fixture
def review(database: Database, folder: Path) -> Command:
    add_documents(database, "a", "b")
    open_item(database, "a")
    open_item(database, "b")
    return Command(database, folder)


def test_next_shows_values_with_their_evidence_and_takes_the_item(review: Command) -> None:
    done = review("next")
    assert "review item 1, version 1: /in/a" in done.stdout
    assert "total (0.50): 9.00\n      page 1: Total 9.00\n  company (0.90): Café" in done.stdout
    assert "  Total is not sure enough.\n" in done.stdout
    assert "claimed by ann" in done.stdout
    taken = review.json("next", "--by", "bob", "--minutes", "3")
    assert taken["review_id"] == 2
    assert datetime.fromisoformat(taken["claim_expires_at"]) - datetime.fromisoformat(taken["claimed_at"]) == timedelta(
        minutes=3
    )
    shown = review.json("show", "1")  # nothing renews the claim of a command
    assert datetime.fromisoformat(shown["claim_expires_at"]) - datetime.fromisoformat(shown["claimed_at"]) == timedelta(
        minutes=10
    )
    assert "ann has had review item 1" in review("accept", "1", "--by", "bob", expect=2).stderr
    assert "eve had no claim on review item 1; ann has it" in review("release", "1", "--by", "eve").stdout
    assert json.loads(review("next", "--by", "eve", "--json").stdout) is None
    assert review.json("release", "1") == {"review_id": 1, "is_released": True}
    assert review.json("claim", "1", "--by", "bob")["claimed_by"] == "bob"


def test_a_correction_is_typed_and_is_the_result(review: Command) -> None:
    lines = json.dumps([{"item": "Tea", "price": "2,50"}])
    decided = review.json("correct", "1", "total=1.234,50", "company=", f"lines={lines}")
    assert (decided["event"], decided["action"], decided["version"]) == ("decided", "correct", 1)
    assert decided["corrected"]["total"] == "1234.50"
    shown = review.json("show", "1")
    assert shown["decided_by"] == "ann"
    assert shown["decision"]["changed"] == {
        "company": None,
        "total": "1234.50",
        "lines": [{"item": "Tea", "price": "2.50"}],
    }
    told = review("show", "1").stdout
    assert "ann corrected it at 20" in told
    assert "total (0.50): 9.00\n      page 1: Total 9.00\n      decided: 1234.50" in told
    again = review.json("correct", "1", "total=1.234,50", "company=", f"lines={lines}")
    assert again["is_repeated"] is True
    for wrong, says in (
        ("total", "write field=value"),
        ("total=many", "total: 'many' is no"),
        ("sum=1", "there is no field 'sum'"),
        ("lines=Tea", "it takes JSON"),
    ):
        assert says in review("correct", "2", wrong, expect=2).stderr, wrong


def test_every_other_decision(review: Command, database: Database) -> None:
    assert "waits for a senior" in review("escalate", "1", "--note", "odd").stdout
    assert re.search("ann sent it to a senior at .*: odd", review("show", "1").stdout)
    assert "is back in the queue" in review("return", "1").stdout
    assert "has no version 7, its newest is 1" in review("accept", "1", "--version", "7", expect=2).stderr
    assert "there is no document type 'x'" in review("reclassify", "1", "--type", "x", expect=2).stderr
    open_item(database, "a", total="9.50", fingerprint="g")
    replaced = review("accept", "1", "--version", "1", expect=2).stderr
    assert "total is '9.50' and was '9.00'" in replaced
    assert "decided" in review("reclassify", "1", "--type", "invoice").stdout
    assert "--reason" in review("reject", "2", expect=2).stderr
    assert "decided" in review("unreadable", "2").stdout
    assert "was decided by ann" in review("reject", "2", "--reason", "no", expect=2).stderr
    assert "no open review items" in review("list").stderr
    assert "there is no review item 9" in review("show", "9", expect=2).stderr
    verified = review.json("verify")
    assert verified["is_valid"] is True
    assert review.json("verify", "--kept", verified["hash"])["events"] == verified["events"]
    assert review.json("verify", "--kept", f" {verified['hash'].upper()} ")["is_valid"] is True
    assert f"no event has the hash {'00ff' * 16}" in review("verify", "--kept", "00ff" * 16, expect=1).stderr
    for typed in ("zzz", "00ff", "z" * 64, ""):
        refused = review("verify", "--kept", typed, expect=2).stderr
        assert f"--kept is no hash: '{typed}'; it takes the one that an earlier verify printed" in refused
    with database.write() as connection:
        connection.execute(text("UPDATE review_events SET actor = 'eve' WHERE event_id = 4"))
    assert "row 4 of review_events was tampered with: its content was changed" in review("verify", expect=1).stderr


def test_roles_are_those_of_the_users_once_there_are_any(review: Command, database: Database) -> None:
    review("escalate", "1")
    add_user(database, "bob", Role.READER, None)
    add_user(database, "sue", Role.SENIOR, None)
    assert "bob has the role reader" in review("accept", "2", "--by", "bob", expect=2).stderr
    assert "ann has the role reviewer" in review("accept", "1", expect=2).stderr
    assert "decided" in review("accept", "1", "--by", "sue").stdout
    assert "decided" in review("accept", "2").stdout


def test_a_name_that_reads_like_another_is_no_name(review: Command, database: Database) -> None:
    for name in ("ann\u200b", "an\nn", "ann\xa0x"):
        assert "is no name of a person" in review("accept", "1", "--by", name, expect=2).stderr
        assert "is no name of a person" in review("user", "add", name, "--no-password", expect=2).stderr
    row = {"review_id": 1, "decision": "accept", "decided_by": "ann ", "version": 1, "status": "new"}
    with database.write() as connection:
        connection.execute(insert(review_decisions), row)
    assert review.json("apply") == {"applied": 0, "refused": 1}


def test_a_user_gets_another_role(review: Command) -> None:
    review("user", "add", "ann", "--no-password")
    review("escalate", "1")
    assert "ask a senior" in review("accept", "1", expect=2).stderr
    assert "ann has the role senior" in review("user", "role", "ann", "senior").stdout
    assert "decided" in review("accept", "1").stdout
    assert "no user 'bob'" in review("user", "role", "bob", "senior", expect=2).stderr
    assert "give --password-stdin" in review("user", "add", "bob", expect=2).stderr


def test_a_port_in_use_is_told_in_a_line(review: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = review("serve", "--port", str(taken.getsockname()[1]), expect=2)
    assert "(Address already in use); give another --port" in done.stderr
    assert "review page" not in done.stdout


def test_deciding_makes_no_database(folder: Path) -> None:
    where = {"WINNOW_DATABASE_URL": f"sqlite:///{folder / 'none.db'}", "LOGNAME": "ann"}
    for arguments in (("accept", "1"), ("next",), ("apply",)):
        assert "no database" in winnow("review", *arguments, cwd=folder, **where).stderr
    assert not (folder / "none.db").exists()


def filled_in(file: Path, changes: dict[tuple[str, str], dict[str, str]]) -> None:
    """Fill in cells of a csv file, as a person does: {(review_id, field): {column: text}}."""
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row.update(changes.get((row["review_id"], row["field"]), {}))
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def test_a_file_is_written_as_its_name_ends_or_the_reason_why_not_is_told(review: Command, folder: Path) -> None:
    review("export", "items.xlsx", "--limit", "1")
    assert zipfile.is_zipfile(folder / "items.xlsx")
    review("export", "items.txt")
    assert "no row has a decision" in review("import", "items.txt").stderr
    review("export", "new/folder/items.csv")
    assert "no row has a decision" in review("import", "new/folder/items.csv").stderr
    for place in ("items.txt/items.csv", "items.txt/items.xlsx", "types"):
        assert "cannot be written" in review("export", place, expect=2).stderr


def test_a_csv_file_goes_out_and_comes_back(review: Command) -> None:
    file = review.folder / "items.csv"
    assert "2 items" in review("export", str(file)).stdout
    filled_in(
        file,
        {
            ("1", "total"): {"new_value": "12,50"},
            ("1", "company"): {"new_value": "'=Tea"},
            ("2", "total"): {"decision": "accept", "note": "fine"},
            ("2", "company"): {"decision": "reject"},
        },
    )
    first = json.loads(review("import", str(file), "--json", expect=1).stdout)
    assert (first["applied"], first["refused"]) == (2, 2)
    filled_in_again = file.read_text().replace(";reject;", ";;")
    file.write_text(filled_in_again)
    second = review.json("import", str(file), "--by", "ann")
    messages = {row["message"] for row in second["rows"]}
    assert messages == {"was decided so before: decided", "decided"}
    assert "3 applied, 0 refused, 1 left as they were" in review("import", str(file)).stdout
    [shown] = [field["value"] for field in review.json("show", "1")["fields"] if field["field"] == "total"]
    assert shown == "9.00", "an item keeps what was shown"


def test_no_cell_is_computed_and_every_text_comes_back(database: Database, folder: Path) -> None:
    add_documents(database, *PAYLOADS)
    for text_ in PAYLOADS:
        open_item(database, text_, total=text_)
    command = Command(database, folder)
    files = {name: folder / f"items.{name}" for name in ("csv", "xlsx", "label-studio")}
    for sheet_format, file in files.items():
        assert "50 items" in command("export", str(file), "--format", sheet_format).stdout
    for name in ("csv", "xlsx"):
        assert {plain(row["value"]) for row in _read(files[name]) if row["field"] == "total"} == {*PAYLOADS}
    tasks = json.loads(files["label-studio"].read_text(encoding="utf-8"))
    assert {task["predictions"][0]["result"][0]["value"]["text"][0] for task in tasks} == {*PAYLOADS}
    content = files["csv"].read_bytes().decode("utf-8-sig")
    for separator in ",;\t|":
        lines = csv.reader(StringIO(content, newline=""), delimiter=separator)
        assert [cell for line in lines for cell in line if COMPUTED.match(cell)] == [], separator
    with zipfile.ZipFile(files["xlsx"]) as workbook:
        sheet = workbook.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in sheet
        assert set(re.findall(r"<c [^>]*?( t=\"\w+\")?/?>", sheet)) == {' t="inlineStr"'}
        assert not any("external" in name or "drawing" in name for name in workbook.namelist())
    cells = [str(cell) for line in _read_workbook(files["xlsx"]) for cell in line]
    assert [cell for cell in cells if COMPUTED.match(cell)] == []


@pytest.mark.parametrize("sheet_format", ["csv", "xlsx"])
def test_texts_that_a_person_fills_in_are_decided_exactly(database: Database, folder: Path, sheet_format: str) -> None:
    add_documents(database, *PAYLOADS)
    items = {open_item(database, text_, total=text_): text_ for text_ in PAYLOADS}
    command, file = Command(database, folder), folder / f"items.{sheet_format}"
    command("export", str(file), "--format", sheet_format)
    filled = folder / "filled.csv"
    content = StringIO("" if sheet_format == "xlsx" else file.read_bytes().decode("utf-8-sig"), newline="")
    lines = list(csv.reader(content)) or _read_workbook(file)
    names = [str(name) for name in lines[0]]
    rows = [dict(zip(names, line, strict=True)) for line in lines[1:]]
    for row in rows:  # the cells as the file has them, copied from column to column
        shown = next(r["value"] for r in rows if r["review_id"] == row["review_id"] and r["field"] == "total")
        if row["field"] == "company" and int(str(row["review_id"])) % 2:
            row |= {"new_value": shown, "note": shown}
        elif row["field"] == "total" and not int(str(row["review_id"])) % 2:
            row |= {"decision": "reject", "new_value": shown}
    with filled.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names, delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    assert command.json("import", str(filled))["applied"] == 50
    with database.read() as connection:
        query = select(review_events.c.review_id, review_events.c.content).where(review_events.c.event == "decided")
        decided = {row.review_id: row.content for row in connection.execute(query)}
        of_result = select(results.c.document_id, results.c.fields).where(results.c.is_current)
        stored = {row.document_id: row.fields for row in connection.execute(of_result)}
    for review_id, text_ in items.items():
        if review_id % 2:
            assert stored[id_of(text_)]["company"] == squeeze(text_)
            assert decided[review_id]["note"] == text_.strip()
        else:
            assert decided[review_id]["reason"] == text_.strip()


def test_show_has_the_reasons_to_reject_that_the_type_offers(review: Command, folder: Path) -> None:
    assert "reasons to reject" not in review("show", "1").stdout
    with (folder / "types/receipt/type.yaml").open("a") as stream:
        stream.write("review: {reject_reasons: [no receipt, a copy]}\n")
    assert "reasons to reject it: no receipt, a copy" in review("show", "1").stdout
    assert "the type's reasons are: no receipt, a copy" in review("reject", "1", "--reason", " ", expect=2).stderr


def test_label_studio_gets_values_as_predictions(review: Command) -> None:
    file = review.folder / "tasks.json"
    review("export", str(file), "--format", "label-studio", "--limit", "1")
    [task] = json.loads(file.read_text())
    assert task["data"]["review_id"] == 1
    assert [found["value"]["text"] for found in task["predictions"][0]["result"]] == [["9.00"], ["Café"]]


def test_tasks_that_label_studio_exports_are_decided_and_each_is_answered(database: Database, folder: Path) -> None:
    names = ("a", "b", "c", "d", "e", "f")
    add_documents(database, *names)
    for name in names:
        open_item(database, name)
    command, file = Command(database, folder), folder / "tasks.json"
    command("export", str(file))
    tasks = json.loads(file.read_text())

    def annotated(number: int, *regions: tuple[str, str, object], **more: object) -> None:
        result = [{"from_name": name, "type": kind, "value": {kind: given}} for name, kind, given in regions]
        tasks[number - 1].setdefault("annotations", []).append({"result": result, **more})

    annotated(1, ("total", "text", ["9.00"]), ("company", "text", ["Café"]), parent_prediction=7)
    annotated(2, ("total", "text", ["1.234,50"]), ("company", "text", "Bar"), ("note", "text", ["seen"]))
    annotated(3, ("decision", "choices", ["reject"]), ("new_value", "text", ["no receipt"]))
    annotated(4, ("total", "text", ["9.00"]), parent_prediction=7)  # the company was deleted
    annotated(5, ("total", "text", ["1.00"]))
    annotated(5, ("total", "text", ["2.00"]))
    annotated(6, was_cancelled=True)
    tasks += [{"data": {"review_id": 10**30, "version": 1}, "annotations": [{"result": tasks[0]["annotations"]}]}]
    annotated(7, ("total", "number", 1))
    tasks[6]["annotations"] = tasks[6]["annotations"][1:]
    file.write_text(json.dumps(tasks))
    done = command("import", str(file), "--json", expect=1)
    answers = {row["row"]: row for row in json.loads(done.stdout)["rows"]}
    assert {row: (answer["decision"], answer["status"]) for row, answer in answers.items()} == {
        1: ("accept", "applied"),
        2: ("correct", "applied"),
        3: ("reject", "applied"),
        4: ("correct", "applied"),
        5: ("", "refused"),
        7: ("correct", "refused"),
    }
    assert "2 annotations that differ" in answers[5]["message"]
    assert "there is no review item 1000" in answers[7]["message"]
    with database.read() as connection:
        query = select(results.c.document_id, results.c.fields).where(results.c.is_current)
        stored = {row.document_id: row.fields for row in connection.execute(query)}
    assert stored[id_of("b")] == {"company": "Bar", "total": "1234.50"}
    assert stored[id_of("d")]["company"] is None
    again = command("import", str(file), expect=1).stdout
    assert "tasks: 4 applied, 2 refused, 1 left as they were" in again
    tasks[6] = {"review_id": 1, "total": "9.00"}  # as JSON-MIN has it
    file.write_text(json.dumps(tasks))
    assert "not JSON-MIN" in command("import", str(file), expect=2).stderr


def test_a_row_with_a_huge_id_is_answered_and_the_others_are_decided(review: Command) -> None:
    file = review.folder / "items.csv"
    lines = [f"{10**25},1,total,accept,", "1,1,total,accept,", "2,9" + "9" * 30 + ",total,accept,"]
    file.write_text("\n".join(["review_id,version,field,decision,new_value", *lines]))
    done = json.loads(review("import", str(file), "--json", expect=1).stdout)
    assert [row["status"] for row in done["rows"]] == ["refused", "applied", "refused"]
    assert "no review item 1000" in review("show", str(10**25), expect=2).stderr


def test_rows_of_two_exports_are_refused_where_a_run_replaced_the_older_one(database: Database, folder: Path) -> None:
    add_documents(database, "a")
    open_item(database, "a")
    open_item(database, "a", fingerprint="g", total="8.00")
    command, file = Command(database, folder), folder / "items.csv"
    file.write_text("review_id,version,field,decision,new_value\n1,2,total,accept,\n1,1,company,accept,\n")
    done = json.loads(command("import", str(file), "--json", expect=1).stdout)
    assert [row["status"] for row in done["rows"]] == ["refused", "refused"]
    assert command.json("show", "1")["status"] == "open"


def test_files_that_are_no_sheets_say_so(review: Command) -> None:
    (review.folder / "a.csv").write_text("x,y\n1,2\n")
    (review.folder / "a.xlsx").write_text("x")
    assert "no column decision, field" in review("import", str(review.folder / "a.csv"), expect=2).stderr
    assert "no workbook" in review("import", str(review.folder / "a.xlsx"), expect=2).stderr


def test_a_csv_file_in_another_encoding_is_refused_and_no_letter_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    header = "review_id,version,field,decision,new_value\n"
    file.write_text(f"{header}1,1,company,,Café\n", encoding="cp1252")
    with pytest.raises(UsageError, match="not in UTF-8"):
        _read(file)
    file.write_text(f"{header}1,1,lines,,{'x' * 200_000}Café\n", encoding="utf-8")
    assert str(_read(file)[0]["new_value"]).endswith("xCafé")


def test_a_decision_is_taken_back(review: Command) -> None:
    review("accept", "1")
    assert "bob has no decision on review item 1" in review("undo", "1", "--by", "bob", expect=2).stderr
    assert review.json("undo", "1")["event"] == "undone"
    assert review.json("show", "1")["status"] == "open"


def test_stats_have_ages_agreement_and_confidence_by_type(review: Command) -> None:
    review("accept", "1")
    shown = review("stats").stdout
    assert re.search(r"over 168 h\W+1\W+0", shown), shown
    assert re.search(r"receipt\W+0\.5 to 0\.6\W+0\.50\W+1\W+100\.0%", shown), shown
    found = review.json("stats")
    assert {group["below_h"]: group["items"] for group in found["ages"]}[None] == 1
    assert found["agreements"] == []
    assert {(group["document_type"], group["low"]) for group in found["calibration"]} == {
        ("receipt", 0.5),
        ("receipt", 0.9),
    }


def test_show_has_earlier_judgements_on_fields_and_who_decided_first(review: Command, database: Database) -> None:
    given = FieldJudgement(
        review_id=1, version=1, field="total", judgement=Judgement.WRONG, by="bob", door=Door.PAGE, shown_ms=900
    )
    judge(database, given, BOB, TYPES)
    assert re.search(r"total \(0.50\): 9.00\n.*\n      wrong, by bob at 2", review("show", "1").stdout)
    assert [(found["field"], found["judgement"]) for found in review.json("show", "1")["judged"]] == [
        ("total", "wrong")
    ]
    add_documents(database, "c")
    both = str(open_item(database, "c", rules=ReviewRules(decisions=2)))
    review("accept", both)
    assert [set(opinion) for opinion in review.json("show", both)["opinions"]] == [{"by", "event_id"}]


def test_who_is_disabled_keeps_no_item_from_others(review: Command, database: Database) -> None:
    add_user(database, "ann", Role.REVIEWER, None)
    review("claim", "1")
    assert review.json("show", "1")["claimed_by"] == "ann"
    review("user", "disable", "ann")
    assert review.json("show", "1")["claimed_by"] is None
