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
