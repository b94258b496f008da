"""`winnow evaluate --compare` and `--models` as a person uses them: other types, and models of a provider double."""

import csv
import json
import shutil

import pytest

from tests.model_runs import PRICES, TRUTHFUL, Notes

pytestmark = pytest.mark.prefect

NOTES = 7


@pytest.fixture
def riddles(notes: Notes) -> Notes:
    """Order notes of whose amounts the built-in reader is unsure, with labels, and a model that knows them."""
    notes.provider.script(hook=TRUTHFUL, prices=PRICES)
    notes.run(notes.write(NOTES, kinds=("riddle",)))
    known = {reference: id_ for id_, reference in notes.references().items()}
    with (notes.workplace.folder / "truth.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("document_id", "field", "value"))
        for reference, id_ in known.items():
            at = int(reference.removeprefix("REF-"))
            rows.writerows(((id_, "reference", reference), (id_, "amount", f"{10 + at}.{at % 100:02}")))
    notes.workplace.command("labels", "import", "truth.csv", "--drawn", "all")
    return notes


def test_models_are_asked_within_a_stated_budget_and_no_result_changes(riddles: Notes) -> None:
    riddles.add("first")
    before = riddles.results()
    refused = riddles.workplace.winnow("evaluate", "--models", "first", expect=2)
    assert "models:first may call models: say with --budget what they may cost" in refused.stderr
    assert riddles.provider.log() == []

    done = riddles.workplace.winnow("evaluate", "--models", "first", "--budget", "1", "--json", "--html", "page.html")
    found = json.loads(done.stdout)
    (other,), (pair,) = found["others"], found["pairs"]
    assert (other["setting"], other["unanswered"], other["types"][0]["right"]["hits"]) == ("models:first", 0, NOTES)
    assert len(riddles.provider.log()) == NOTES
    assert float(other["spent_usd"]) == float(riddles.ledger_usd()) > 0
    assert float(other["types"][0]["cost_usd_per_document"]) == pytest.approx(float(riddles.ledger_usd()) / NOTES)
    assert float(found["types"][0]["cost_usd_per_document"]) == 0, "what is stored has asked no model"
    amount = pair["types"][0]["fields"]["amount"]
    assert amount["right_second"] == NOTES
    assert amount["better"] == NOTES - amount["right_first"]
    assert riddles.results() == before
    assert "models:first against stored" in (riddles.workplace.folder / "page.html").read_text()

    again = riddles.workplace.winnow("evaluate", "--models", "first", "--budget", "0", "--json")
    assert json.loads(again.stdout)["others"][0]["unanswered"] == 0, "stored replies answer"
    assert len(riddles.provider.log()) == NOTES


def test_an_edited_copy_of_the_types_is_compared_and_what_is_no_setting_says_why(riddles: Notes) -> None:
    edited = shutil.copytree(riddles.types, riddles.workplace.folder / "edited") / "note" / "type.yaml"
    edited.write_text(edited.read_text().replace("  reference: {", "  number: {"))
    riddles.workplace.environment["COLUMNS"] = "90"
    lines = riddles.workplace.winnow("evaluate", "--compare", "edited").stdout.splitlines()
    assert "note side by side" in lines
    (row,) = (line.split() for line in lines if line.startswith("reference ") and "worse" in line)
    assert row[:5] == ["reference", "7", "of", "7", "0"]
    assert row[-1] == "worse"
    assert max(map(len, lines)) <= 90
    for setting, why in REFUSED.items():
        assert why in riddles.workplace.command("evaluate", "--compare", setting, expect=2).stderr


REFUSED = {
    "nowhere": "nowhere is no folder; give a folder of document types, models:NAME, today, learnt or unlearnt",
    "types/note": "types/note is one document type; give the folder that it is in",
    "models:nobody": "there is no model 'nobody'",
}
