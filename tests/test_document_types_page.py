"""docs/document_types.md says what the schema says, and its example works."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from blocks.document_types import review_rules, schema
from blocks.document_types.checks import RESERVED_FIELDS
from blocks.document_types.loader import ELSEWHERE, check, load_document_types
from blocks.reader.reading import read
from blocks.records import Page
from blocks.settings import Settings
from blocks.values.values_of_types import value_problems
from deployments.cli.type_checks import worked_problems
from tasks.classify.judge import TypeJudge

PAGE = (Path(__file__).parent.parent / "docs" / "document_types.md").read_text(encoding="utf-8")

RECORDS: dict[str, type[BaseModel]] = {
    "The type": schema.DocumentType,
    "A field": schema.DocumentField,
    "Hints": schema.FieldHints,
    "Rubric": schema.Rubric,
    "A criterion": schema.Criterion,
    "Classification": schema.ClassificationRules,
    "A signal": schema.Signal,
    "Route": schema.RouteStep,
    "A condition": schema.StepCondition,
    "Acceptance": schema.StepAcceptance,
    "Review": review_rules.ReviewRules,
    "A promise": review_rules.AcceptRules,
    "Memory": schema.MemoryRules,
    "A review band": review_rules.ReviewBand,
    "reject_when": review_rules.RejectRule,
    "expectations.yaml": schema.Expectation,
    "Examples": schema.Example,
}


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, without its head."""
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, heading
    lines = [line for line in found[1].splitlines() if line.startswith("|")][2:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("heading", RECORDS)
def test_every_key_of_the_schema_stands_in_its_table(heading: str) -> None:
    keys = [key for key in RECORDS[heading].model_fields if heading != "The type" or key not in ELSEWHERE]
    assert [row[0] for row in rows(heading)] == keys


@pytest.mark.parametrize("heading", RECORDS)
def test_kinds_and_defaults_are_those_of_the_schema(heading: str) -> None:
    for key, kind, default, meaning in rows(heading):
        field = RECORDS[heading].model_fields[key]
        assert meaning, key
        if key != "name":
            assert (default == "needed") == field.is_required(), key
        if isinstance(field.default, bool):
            assert default == str(field.default).lower(), key
        elif isinstance(field.default, str | float | int) and field.default != "":
            assert default == str(field.default), key
        for choice in choices(field):
            assert f"{choice}" in kind, key


def choices(field: FieldInfo) -> list[str]:
    return re.findall(r"'(\w+)'", str(field.annotation)) if "Literal" in str(field.annotation) else []


def test_every_type_of_field_is_explained() -> None:
    assert [row[0] for row in rows("Types of fields")] == [kind.value for kind in schema.FieldType]


def test_every_prompt_variable_is_explained() -> None:
    assert [row[0] for row in rows("Prompts")] == list(schema.PROMPT_VARIABLES)


def test_reserved_names_are_listed() -> None:
    section = PAGE.split("These names are taken: ")[1].split("\n| key")[0]
    assert set(re.findall(r"`(\w+)`", section)) == RESERVED_FIELDS


SLIP = """\
Brightwater Logistics
DELIVERY SLIP
Slip number:   DS-20517
Delivered on:  12.03.2025
Parcels:       4
Received in good order and complete.
Signature: M. Okafor
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The folder of types that a reader of the page ends with."""
    blocks = re.findall(r"^`([\w/.]+)`\n\n```\w+\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    for name, content in blocks:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return tmp_path


def test_the_example_of_the_page_loads_and_passes_the_check(example: Path) -> None:
    assert check(example, value_problems) == []
    loaded = load_document_types(example)["delivery_slip"]
    assert set(loaded.fields) == {"slip_number", "delivered_on", "parcels", "condition"}
    assert [one.labels.get("condition") for one in loaded.examples] == ["intact", "damaged", None]
    assert list(worked_problems(example / "delivery_slip", loaded)) == []
    assert loaded.examples[2].reply is not None


def test_the_example_of_the_page_reads_a_document_at_once(example: Path) -> None:
    document_type = load_document_types(example)["delivery_slip"]
    found = read(document_type, (Page(number=1, method="parsed", text=SLIP),))
    values = {name: reading.value for name, reading in found.fields.items()}
    assert values["slip_number"] == "DS-20517"
    assert values["delivered_on"] == "2025-03-12"
    assert str(values["parcels"]) == "4"
    assert values["condition"] == "intact"


README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
NOTES = (
    SLIP,
    "Lieferschein\nSpedition Aumüller\nLieferschein-Nr. 77120\nLieferdatum 14.03.2025\n1 Karton\n",
    "Delivery note\n\nDelivery no: DS-2044\nDelivered on: 03.02.2025\n3 parcels\n",
)


def test_the_type_of_the_readme_is_found_without_being_given(tmp_path: Path) -> None:
    written = re.search(
        r"# data/document_types/(delivery_slip/type\.yaml)\n(.*?)^```", README, re.DOTALL | re.MULTILINE
    )
    shown = re.search(r"^\$ cat notes/first\.txt\n(.*?)^\$", README, re.DOTALL | re.MULTILINE)
    assert written is not None
    assert shown is not None
    (tmp_path / "delivery_slip").mkdir()
    (tmp_path / written[1]).write_text(written[2], encoding="utf-8")
    types = load_document_types(Settings().document_types_dir) | load_document_types(tmp_path)
    for found in TypeJudge(types).judge([shown[1], *NOTES]):
        assert found.document_type == "delivery_slip"
        assert found.confidence >= types["delivery_slip"].review.accept_at
    fields = read(types["delivery_slip"], (Page(number=1, method="parsed", text=shown[1]),)).fields
    assert {name: one.value for name, one in fields.items()} == {"slip_number": "DS-2044", "delivered_on": "2025-02-03"}
