"""What can be meant in one way only is taken, exactly as it was meant."""

import json
from typing import Any

import pytest

from blocks.gateway.model import ModelReply, ModelRequest
from blocks.gateway.replies.reading import read_reply
from blocks.gateway.replies.wire_reply import Finish
from blocks.records import Evidence, Page
from blocks.values.typed_values import typed_value
from tests.blocks.gateway.questions import BILL, PAGES, ask, read, valid_reply, wire

GOOD = json.dumps(valid_reply())


def believe(text: object, **changes: Any) -> ModelReply:
    return read_reply(ask(), "m", wire(text, **changes))


def value(name: str, field: object) -> object:
    found = believe(valid_reply(**{name: field})).fields.get(name)
    return found and found.value


def test_a_whole_reply_is_read() -> None:
    reply = believe(GOOD)
    assert {name: one.value for name, one in reply.fields.items()} == {
        "seller": "Baker & Sons Ltd",
        "total": "9.00",
        "kind": "goods",
        "days": "30",
        "names": ["Jane Roe"],
        "lines": [{"item": "Flour", "amount": "7.00"}, {"item": "Yeast", "amount": "2.00"}],
        "answer": "Dear Sir, thank you.",
    }
    total = reply.fields["total"]
    assert total.evidence == (Evidence(page=1, quote="Total 9.00 EUR"),)
    assert total.confidence == 0.0
    assert total.signals is not None
    assert (total.signals.stated, total.signals.logprob, total.signals.is_repaired) == (0.9, None, False)
    assert [(one.name, one.grade, one.confidence) for one in reply.criteria] == [("clear", 1, 0.9), ("polite", 1, 0.9)]
    assert (reply.model, reply.model_version, reply.usage.input_tokens) == ("m", "m-2024", 100)
    assert not reply.is_repaired
    assert not reply.is_unwrapped


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```\n",
        f"Here is the JSON you asked for:\n\n{GOOD}\n\nLet me know if you need {{more}}.",
        f"The object {{of the bill}} is: {GOOD}",
        f"<think>The total could be {{9}} or {GOOD}</think>\n{GOOD}",
        f"I weigh it up.</think>{GOOD}",
        f"\ufeff \n{GOOD}\n\u200b",
        json.dumps(valid_reply(), indent=2),
        GOOD.replace("Dear Sir, ", "Dear Sir,\n\t"),
    ],
    ids=[
        "fence",
        "bare fence",
        "prose",
        "prose with braces",
        "thought",
        "end of a thought",
        "marks",
        "indent",
        "breaks",
    ],
)
def test_what_stands_around_an_object_does_no_harm(text: str) -> None:
    reply = believe(text)
    assert reply.fields["total"].value == "9.00"
    assert not reply.is_repaired


def test_prose_and_fences_are_marked() -> None:
    assert believe(f"```json\n{GOOD}\n```").is_unwrapped
    assert not believe(f"\n {GOOD} \n").is_unwrapped


@pytest.mark.parametrize(
    "text",
    [
        GOOD[:-1] + ",}",
        GOOD.replace("], ", ",], ", 1),
        GOOD.replace('", "', '" "', 1),
        GOOD.replace("null", "None"),
        GOOD.replace('"', "'"),
        GOOD.replace('"seller"', "seller"),
        GOOD + "}",
        f"```json\n{GOOD[:-1]},}}\n```",
    ],
    ids=["comma", "comma in a list", "no comma", "Python's None", "Python's quotes", "bare name", "bracket", "fence"],
)
def test_what_can_be_mended_in_one_way_is_mended_and_marked(text: str) -> None:
    reply = believe(text)
    assert reply.is_repaired
    assert {name: one.value for name, one in reply.fields.items()} == {
        name: one.value for name, one in believe(GOOD).fields.items()
    }
    assert all(one.signals and one.signals.is_repaired for one in reply.fields.values())


def test_numbers_of_a_mended_reply_are_as_written() -> None:
    field = {"value": 0, "evidence": [{"page": 1, "quote": "9.00"}], "confidence": 0.50}
    text = json.dumps(valid_reply(total=field)).replace('"value": 0', '"value": 9.00')
    assert believe(text[:-1] + ",}").fields["total"].value == "9.00"


@pytest.mark.parametrize(
    ("token", "said", "results"),
    [
        ("9.00", "9.00", "9.00"),
        ("9", "9", "9.00"),
        ("-9.5", "-9.5", "-9.50"),
        ("1.234", "1.2340", "1.234"),
        ("1234.5", "1234.5", "1234.50"),
        ("12345678901234567890.01", "12345678901234567890.01", "12345678901234567890.01"),
        ("0.1", "0.1", "0.10"),
        ("1.5e3", "1500", "1500.00"),
    ],
)
def test_a_number_keeps_its_digits_and_means_the_same_in_every_language(token: str, said: str, results: str) -> None:
    text = json.dumps(valid_reply(total=read("@", "Total 9.00"))).replace('"@"', token)
    read_value = believe(text).fields["total"].value
    assert read_value == said
    for languages in (("en",), ("de",), ("fr", "de")):
        assert typed_value(BILL.fields["total"], read_value, languages) == results


@pytest.mark.parametrize(
    ("said", "results"),
    [("20.000", "20.00"), ("-1.234", "-1.234"), ("1234.500", "1234.50"), ("1.234,56", "1234.56"), ("9.00", "9.00")],
)
def test_a_models_decimal_text_is_one_in_types_that_group_by_points_too(said: str, results: str) -> None:
    value = believe(json.dumps(valid_reply(total=read(said, "Total 9.00")))).fields["total"].value
    assert typed_value(BILL.fields["total"], value, ("de", "en")) == results
    assert typed_value(BILL.fields["total"], "1.234", ("de",)) == "1234.00", "as a document in German has it"


def test_a_number_where_a_text_is_asked_is_its_digits() -> None:
    assert believe(json.dumps(valid_reply(seller=read(7, 7)))).fields["seller"].evidence[0].quote == "7"


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        ("kind", read("Goods", "Flour"), "goods"),
        ("kind", read(" SERVICES ", "Flour"), "services"),
        ("kind", {"value": "none", "evidence": [], "confidence": 1}, "none"),
        ("tags", read(["Food"], "Flour"), ["food"]),
        ("names", read("Jane Roe", "Jane Roe", page=2), ["Jane Roe"]),
        ("names", read(["Jane Roe", None, " "], "Jane Roe", page=2), ["Jane Roe"]),
        ("names", read([], ""), []),
        ("days", read(30, "30 days", page=2), "30"),
        ("seller", read("  Baker & Sons Ltd\n", "Baker"), "Baker & Sons Ltd"),
        ("seller", {"value": "N/A", "evidence": [], "confidence": 0.2}, None),
        ("seller", read("N/A", "N/A"), "N/A"),
        ("seller", read(None, ""), None),
        ("seller", read(" ", ""), None),
        ("seller", None, None),
        ("answer", {"value": "Unknown", "evidence": None, "confidence": None}, "Unknown"),
        ("answer", read("I am sorry, we cannot process the refund.", ""), "I am sorry, we cannot process the refund."),
        ("lines", read([{"item": "Flour"}], "Flour"), [{"item": "Flour", "amount": None}]),
        ("lines", read([{"item": "Flour", "amount": 7}], "Flour"), [{"item": "Flour", "amount": "7"}]),
    ],
)
def test_harmless_forms_are_normalised(name: str, field: object, expected: object) -> None:
    assert value(name, field) == expected


def test_an_optional_field_may_be_left_out_and_a_single_quote_stand_alone() -> None:
    reply = valid_reply(total={"value": "9.00", "evidence": {"page": "1", "quote": "9.00"}, "confidence": "0.5"})
    del reply["fields"]["kind"]
    found = believe(reply)
    assert "kind" not in found.fields
    assert found.fields["total"].evidence == (Evidence(page=1, quote="9.00"),)
    assert found.fields["total"].signals is not None
    assert found.fields["total"].signals.stated == 0.5


def test_what_judges_a_text_that_was_not_written_need_not_be_graded() -> None:
    reply = valid_reply(answer=None)
    del reply["criteria"]["polite"]
    assert [one.name for one in believe(reply).criteria] == ["clear"]


@pytest.mark.parametrize(
    ("stated", "quote", "page"),
    [
        (1, "Total 9.00 EUR", 1),
        (2, "Total 9.00 EUR", 1),
        (9, "Total 9.00 EUR", 1),
        (1, "payable  within 30 DAYS", 2),
        (None, "Jane Roe", 2),
        (2, "said nowhere in the bill", 2),
    ],
)
def test_a_quote_is_put_on_the_page_where_it_stands(stated: object, quote: str, page: int) -> None:
    reply = believe(valid_reply(seller=read("x", quote, page=stated)))
    assert reply.fields["seller"].evidence == (Evidence(page=page, quote=quote),)


def test_a_quote_that_stands_on_several_pages_stays_on_the_stated_one() -> None:
    pages = tuple(
        Page(number=n, method="parsed", text=text) for n, text in ((1, "none"), (2, "Total 9"), (3, "Total 9"))
    )
    request = ModelRequest(document_id="d", document_type=BILL, pages=pages, fields=("total",))
    reply = {"fields": {"total": read("9", "Total 9", page=1)}}
    assert read_reply(ask(request), "m", wire(reply)).fields["total"].evidence[0].page == 1


def test_only_what_is_asked_is_needed() -> None:
    request = ModelRequest(document_id="d", document_type=BILL, pages=PAGES, fields=("total",))
    reply = read_reply(ask(request), "m", wire({"fields": {"total": read("9.00", "9.00")}}))
    assert set(reply.fields) == {"total"}
    assert reply.criteria == ()


def test_a_document_that_speaks_like_a_refusal_can_be_read() -> None:
    text = "I cannot help with that, wrote the clerk."
    request = ModelRequest(
        document_id="d", document_type=BILL, pages=(Page(number=1, method="parsed", text=text),), fields=("seller",)
    )
    reply = {"fields": {"seller": read("I cannot help with that", "I cannot help with that")}}
    assert read_reply(ask(request), "m", wire(reply)).fields["seller"].value == "I cannot help with that"


def test_the_reason_of_stopping_need_not_be_known_for_a_reply_that_is_whole() -> None:
    assert believe(GOOD, finish=Finish.UNKNOWN).fields["total"].value == "9.00"
