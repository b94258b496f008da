"""The schema of replies: what fits it, and that every provider's strict mode takes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.gateway.model import ModelRequest
from blocks.gateway.replies.reply_schema import reply_schema
from tests.blocks.gateway.questions import BILL, PAGES, read, valid_reply

TYPES = load_document_types(Path(__file__).parents[4] / "data" / "document_types")
STRICT_KEYS = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "description"}


def schema(document_type: DocumentType = BILL, *fields: str) -> dict[str, Any]:
    return reply_schema(ModelRequest(document_id="d", document_type=document_type, pages=PAGES, fields=fields))


def fits(reply: object, *fields: str) -> bool:
    return bool(jsonschema.Draft202012Validator(schema(BILL, *fields)).is_valid(reply))


def nodes(value: Any, depth: int = 1) -> Iterator[tuple[dict[str, Any], int]]:
    """Every schema within a schema, and how many objects it is deep."""
    yield value, depth
    deeper = depth + (value.get("type") == "object")
    for one in (
        *value.get("properties", {}).values(),
        *value.get("anyOf", ()),
        *([value["items"]] if "items" in value else ()),
    ):
        yield from nodes(one, deeper)


@pytest.mark.parametrize("document_type", [BILL, *TYPES.values()], ids=lambda one: one.name)
def test_it_keeps_to_what_strict_modes_take(document_type: DocumentType) -> None:
    found = list(nodes(schema(document_type)))
    properties = 0
    for node, depth in found:
        assert set(node) <= STRICT_KEYS
        assert depth <= 10
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])
            properties += len(node["properties"])
        assert "anyOf" in node or "type" in node
    assert properties <= 5_000
    jsonschema.Draft202012Validator.check_schema(schema(document_type))


def test_a_whole_reply_fits() -> None:
    assert fits(valid_reply())


@pytest.mark.parametrize(
    "reply",
    [
        valid_reply(extra=read("x", "x")),
        {"fields": valid_reply()["fields"]},
        {"criteria": valid_reply()["criteria"]},
        valid_reply(kind=read("weapons", "x")),
        valid_reply(tags=read(["gold"], "x")),
        valid_reply(total=read(9.0, "9.00")),
        valid_reply(total={"value": "9.00", "confidence": 1}),
        valid_reply(total="9.00"),
        valid_reply(lines=read([{"item": "Flour"}], "x")),
        valid_reply(seller=read("x", "x") | {"why": "because"}),
    ],
)
def test_another_does_not(reply: object) -> None:
    assert not fits(reply)


def test_a_field_may_be_absent_and_a_cell_empty() -> None:
    assert fits(valid_reply(**dict.fromkeys(BILL.fields)))
    assert fits(valid_reply(lines=read([{"item": None, "amount": "7.00"}], "Flour")))


def test_only_what_is_asked_is_in_it() -> None:
    assert list(schema(BILL, "total")["properties"]["fields"]["properties"]) == ["total"]
    assert list(schema(BILL, "total")["properties"]) == ["fields"]
    assert list(schema(BILL, "answer")["properties"]["criteria"]["properties"]) == ["polite"]
    assert list(schema()["properties"]["criteria"]["properties"]) == ["clear", "polite"]


def test_descriptions_are_told() -> None:
    total = schema()["properties"]["fields"]["properties"]["total"]["anyOf"][0]
    assert total["description"] == "What is to be paid."
    assert "decimal point" in total["properties"]["value"]["description"]


def test_equal_questions_share_it_and_changed_types_do_not() -> None:
    assert schema() is schema()
    changed = DocumentType.model_validate(BILL.model_dump() | {"fields": {"total": {"type": "date"}}, "rubric": None})
    assert schema(changed) != schema()
