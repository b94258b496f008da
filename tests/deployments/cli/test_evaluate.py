"""`winnow evaluate` as a person uses it: receipts are read, labels imported, and the figures are those of the file."""

import csv
import json

from tests.winnow_command import Workplace

RECEIPTS = {
    "tea.txt": ("Tea Garden Ltd", "03/05/2024", "12.50"),
    "rice.txt": ("Rice House Ltd", "04/05/2024", "8.00"),
    "salt.txt": ("Salt Works Ltd", "05/05/2024", "9.90"),
}


def test_readings_are_measured_on_imported_labels(workplace: Workplace) -> None:
    folder = workplace.folder / "in"
    folder.mkdir()
    for name, (company, day, total) in RECEIPTS.items():
        text = f"{company}\n12 Market Street\nReceipt\nDate: {day}\nGoods {total}\nTotal {total}\nCash {total}\n"
        (folder / name).write_text(text)
    assert workplace.command("evaluate", expect=1).stdout == ""
    workplace.run("in", "--type", "receipt")
    read = {str(row["document_id"]): row for row in workplace.rows("results")}
    assert len(read) == len(RECEIPTS)
    with (workplace.folder / "truth.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("uri", "field", "value"))
        for name, (company, day, total) in RECEIPTS.items():
            right = "99.00" if name == "salt.txt" else total
            rows.writerows(((name, "company", company), (name, "date", day), (name, "total", right)))
        rows.writerow(("tea.txt", "address", ""))
    assert workplace.command("evaluate").stdout.startswith("no labels yet")
    workplace.command("labels", "import", "truth.csv")

    found = json.loads(workplace.command("evaluate", "--json").stdout)
    (receipts,) = found["types"]
    total = receipts["fields"]["total"]
    assert found["unread"] == 0
    assert (receipts["document_type"], receipts["documents"], receipts["judged"]) == ("receipt", 3, 3)
    assert (total["right"]["hits"], total["wrong"]["hits"], total["right"]["counted"]) == (2, 1, 3)
    assert receipts["fields"]["address"]["right"]["counted"] == 1
    assert sum(receipts["statuses"].values()) == 3
    assert receipts["seconds_per_document"] > 0

    done = workplace.command("evaluate", "--html", "page.html")
    assert done.stderr == "page.html has the evaluation with its pictures\n"
    assert "What was read of 3 labelled documents" in (workplace.folder / "page.html").read_text()

    workplace.environment["COLUMNS"] = "80"
    shown = workplace.command("evaluate", "--type", "receipt").stdout.splitlines()
    assert shown[0] == "receipt: 3 labelled documents, chosen: no estimate for other documents"
    assert any(line.startswith("total ") and " 66.7% " in line for line in shown)
    assert max(map(len, shown)) <= 80
    assert (
        workplace.command("evaluate", "--type", "invoice").stdout == "no labelled document of type invoice was read\n"
    )


def test_truth_from_files_is_measured_and_not_imported(workplace: Workplace) -> None:
    """Of documents that were read before, and of a folder whose documents are read beside the database."""
    folder = workplace.folder / "in"
    folder.mkdir()
    for name, (company, day, total) in RECEIPTS.items():
        (folder / name).write_text(f"{company}\nReceipt\nDate: {day}\nGoods {total}\nTotal {total}\nCash {total}\n")
    workplace.run("in", "--type", "receipt")
    wrong = {"tea.txt": "99.00"}
    rows = [f"{name},total,{wrong.get(name, total)}" for name, (_, _, total) in RECEIPTS.items()]
    truth = "\n".join(("uri,field,value", *rows, "none.txt,total,1\n"))
    (workplace.folder / "truth.csv").write_text(truth)
    done = workplace.command("evaluate", "--against", "truth.csv", "--json")
    assert "line 5 is no label: none.txt total: no document was seen at none.txt" in done.stderr
    total = json.loads(done.stdout)["types"][0]["fields"]["total"]
    assert (total["right"]["hits"], total["wrong"]["hits"]) == (2, 1)

    exam = workplace.folder / "exam"
    exam.mkdir()
    (exam / "new.txt").write_text("New Shop Ltd\nReceipt\nDate: 07/05/2024\nGoods 4.20\nTotal 4.20\nCash 4.20\n")
    (exam / "truth.jsonl").write_text(json.dumps({"uri": "new.txt", "field": "total", "value": "4.20"}) + "\n")
    done = workplace.winnow("evaluate", "--against", "exam", "--type", "receipt", "--compare", "unlearnt", "--json")
    found = json.loads(done.stdout)
    assert found["types"][0]["fields"]["total"]["right"] == found["others"][0]["types"][0]["fields"]["total"]["right"]
    assert found["types"][0]["fields"]["total"]["right"]["hits"] == 1
    assert len(workplace.rows("results")) == len(RECEIPTS), "the folder's document is not in the database"
    assert workplace.command("labels", "list").stdout == ""
    (exam / "truth.jsonl").unlink()
    refused = workplace.command("evaluate", "--against", "exam", expect=2).stderr
    assert "exam has no file of labels: csv or jsonl with the columns uri" in refused
