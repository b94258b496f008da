"""Replies that no pipeline may believe, each with the outcome that it must have."""

import json
from typing import Any

from blocks.gateway.errors import (
    ContentFiltered,
    EmptyReply,
    MalformedReply,
    ModelRefusal,
    ReplyRefused,
    TruncatedReply,
    WrongSchema,
)
from blocks.gateway.replies.wire_reply import Finish, WireReply
from tests.blocks.gateway.questions import read, valid_reply, wire

GOOD = json.dumps(valid_reply())


def _without(part: str, name: str) -> dict[str, Any]:
    reply = valid_reply()
    del reply[part][name]
    return reply


def _graded(**changes: object) -> dict[str, Any]:
    reply = valid_reply()
    reply["criteria"]["clear"] |= changes
    return reply


def _cut(share: float) -> str:
    return GOOD[: int(len(GOOD) * share)]


BAD_SHAPES: dict[str, tuple[WireReply, type[ReplyRefused]]] = {
    # nothing
    "no content": (wire(""), EmptyReply),
    "white space": (wire(" \n\t \u00a0"), EmptyReply),
    "invisible characters": (wire("\ufeff\u200b"), EmptyReply),
    "no content, reason unknown": (wire("", Finish.UNKNOWN), EmptyReply),
    # cut off
    "length, whole JSON": (wire(GOOD, Finish.LENGTH), TruncatedReply),
    "length, no content": (wire("", Finish.LENGTH), TruncatedReply),
    "length, half a reply": (wire(_cut(0.5), Finish.LENGTH), TruncatedReply),
    "stop, half a reply": (wire(_cut(0.5)), TruncatedReply),
    "stop, ends after a bracket": (wire(GOOD[:-1]), TruncatedReply),
    "stop, ends within a text": (wire(GOOD[: GOOD.index("Sons")]), TruncatedReply),
    "stop, one bracket": (wire("{"), TruncatedReply),
    "fence that is never closed, half a reply": (wire("```json\n" + _cut(0.7)), TruncatedReply),
    "a thought that never ends": (wire("<think>Let me see, {" + GOOD), TruncatedReply),
    "half a list": (wire("[" + GOOD + ","), TruncatedReply),
    # declined
    "status": (wire("", Finish.REFUSAL), ModelRefusal),
    "status, with a reply": (wire(GOOD, Finish.REFUSAL), ModelRefusal),
    "refusal field": (wire("", refusal="I can't help with that."), ModelRefusal),
    "prose": (wire("I'm sorry, but I can't assist with that request."), ModelRefusal),
    "German prose": (wire("Es tut mir leid, aber ich kann dabei nicht helfen."), ModelRefusal),
    "French prose": (wire("Je suis désolé, mais je ne peux pas vous aider."), ModelRefusal),
    "Spanish prose": (wire("Lo siento, pero no puedo ayudar con eso."), ModelRefusal),
    "Chinese prose": (wire("抱歉，我无法协助处理该请求。"), ModelRefusal),
    "Japanese prose": (wire("申し訳ありませんが、そのご依頼には対応できません。"), ModelRefusal),
    "JSON error": (wire({"error": "I cannot help with this document."}), ModelRefusal),
    "JSON refusal": (wire({"refusal": True}), ModelRefusal),
    "JSON text": (wire('"I cannot help with that."'), ModelRefusal),
    "JSON fields that are texts": (wire({"fields": {"total": "I am unable to assist."}}), ModelRefusal),
    "JSON value": (wire(valid_reply(seller=read("I cannot assist with that.", "Baker"))), ModelRefusal),
    "prose, and nothing read": (
        wire("I cannot help with that. " + json.dumps(valid_reply(**dict.fromkeys(valid_reply()["fields"])))),
        ModelRefusal,
    ),
    "a letter by a machine": (
        wire(valid_reply(answer=read("As an AI language model, I do not write.", ""))),
        ModelRefusal,
    ),
    # filtered
    "filtered": (wire("", Finish.FILTERED), ContentFiltered),
    "filtered half way": (wire(_cut(0.4), Finish.FILTERED), ContentFiltered),
    # no JSON, or JSON that may be read in several ways
    "prose that is no refusal": (wire("The total is 9.00 EUR."), MalformedReply),
    "empty fence": (wire("```json\n```"), MalformedReply),
    "key twice": (wire(GOOD.replace('"kind"', '"total"', 1)), MalformedReply),
    "key twice, deep": (wire(GOOD.replace('"page": 1', '"page": 1, "page": 1', 1)), MalformedReply),
    "key twice, and a comma too many": (wire(GOOD.replace('"kind"', '"total"', 1)[:-1] + ",}"), MalformedReply),
    "NaN": (wire(GOOD.replace("0.9", "NaN", 1)), MalformedReply),
    "Infinity": (wire(GOOD.replace("0.9", "-Infinity", 1)), MalformedReply),
    "NaN, and a comma too many": (wire(GOOD.replace("0.9", "NaN", 1)[:-1] + ",}"), MalformedReply),
    "half of a surrogate pair, escaped": (wire(GOOD.replace("Baker", "\\ud83d", 1)), MalformedReply),
    "half of a surrogate pair, raw": (wire(GOOD.replace("Baker", "\ud83d", 1)), MalformedReply),
    "half of a surrogate pair in a key": (wire(GOOD.replace('"seller"', '"\\udc00"', 1)), MalformedReply),
    "NUL, escaped": (wire(GOOD.replace("Baker", "\\u0000", 1)), MalformedReply),
    "NUL, raw": (wire(GOOD.replace("Baker", "\0", 1)), MalformedReply),
    "absurd depth": (wire('{"fields": ' + '{"a": ' * 200_000 + "1" + "}" * 200_001), MalformedReply),
    "absurd depth of lists, broken": (wire('{"fields": ' + "[" * 50_000 + "1,,2" + "]" * 50_000 + "}"), MalformedReply),
    "absurdly long number": (wire(GOOD.replace("0.9", "9" * 5_000, 1)), MalformedReply),
    "absurd exponent": (wire(GOOD.replace('"9.00"', "1e999999999", 1)), WrongSchema),
    "second object": (wire(GOOD + GOOD), MalformedReply),
    "second object in prose": (wire(f"First:\n{GOOD}\nor else:\n{GOOD}"), MalformedReply),
    "second object, broken": (wire(GOOD + '\n{"fields": {'), MalformedReply),
    "half of a list after": (wire("Here: " + GOOD + ", " + GOOD + "]"), MalformedReply),
    "broken, reason of stopping unknown": (wire(GOOD[:-1] + ",}", Finish.UNKNOWN), MalformedReply),
    "quotes within a text": (wire(GOOD.replace("Baker & Sons", 'Baker "&" Sons', 1)), MalformedReply),
    "a bare word for a value": (wire(GOOD.replace('"goods"', "goods", 1)), MalformedReply),
    "a number with a comma": (wire(GOOD.replace('"9.00"', "9,00", 1)), MalformedReply),
    "two commas": (wire(GOOD.replace('"30"', "30,", 1)), MalformedReply),
    "a comment": (wire(GOOD.replace("{", "{ // as asked\n", 1)), MalformedReply),
    "a quote that repeats itself": (wire('{"fields": {"seller": "' + '\\"' * 500_000), TruncatedReply),
    "quotes without end": (wire('{"fields": {"seller": x' + '\\"' * 500_000 + "}}"), TruncatedReply),
    "an ellipsis": (wire('{"fields": {"seller": ...}}'), MalformedReply),
    "a bracket of the wrong kind": (wire('{"fields": [}}'), MalformedReply),
    "binary": (wire("\x01\x02\x7f"), MalformedReply),
    "HTML": (wire("<html><body>502 Bad Gateway</body></html>"), MalformedReply),
    # not of the schema
    "list": (wire([valid_reply()]), WrongSchema),
    "null": (wire("null"), WrongSchema),
    "number": (wire("42"), WrongSchema),
    "JSON within a text": (wire(json.dumps(GOOD)), WrongSchema),
    "empty object": (wire("{}"), WrongSchema),
    "no field": (wire({"fields": {}, "criteria": valid_reply()["criteria"]}), WrongSchema),
    "fields beside one another": (wire(valid_reply()["fields"]), WrongSchema),
    "fields as a list": (wire({"fields": [], "criteria": {}}), WrongSchema),
    "unknown field": (wire(valid_reply(iban=None)), WrongSchema),
    "unknown key beside the fields": (wire(valid_reply() | {"note": "x"}), WrongSchema),
    "unknown key of a field": (wire(valid_reply(total=read("9.00", "9.00") | {"box": []})), WrongSchema),
    "unknown key of a quote": (
        wire(
            valid_reply(total={"value": "9.00", "evidence": [{"page": 1, "quote": "9.00", "line": 1}], "confidence": 1})
        ),
        WrongSchema,
    ),
    "a required field is missing": (wire(_without("fields", "total")), WrongSchema),
    "a criterion is missing": (wire(_without("criteria", "clear")), WrongSchema),
    "a bare value": (wire(valid_reply(total="9.00")), WrongSchema),
    "no value": (wire(valid_reply(total={"evidence": [], "confidence": 1})), WrongSchema),
    "an object for a text": (wire(valid_reply(total=read({"amount": 9}, "9.00"))), WrongSchema),
    "a list for a text": (wire(valid_reply(total=read(["9.00"], "9.00"))), WrongSchema),
    "true for a text": (wire(valid_reply(seller=read(True, "Baker"))), WrongSchema),
    "an object in a list": (wire(valid_reply(names=read([{"name": "Jane"}], "Jane"))), WrongSchema),
    "a list that has its entries prescribed": (wire(valid_reply(tags=read(["garden"], "Flour"))), WrongSchema),
    "no value of the enum": (wire(valid_reply(kind=read("goods and services", "Flour"))), WrongSchema),
    "a table of texts": (wire(valid_reply(lines=read(["Flour"], "Flour"))), WrongSchema),
    "an unknown column": (wire(valid_reply(lines=read([{"item": "Flour", "price": "1"}], "Flour"))), WrongSchema),
    "an object in a cell": (wire(valid_reply(lines=read([{"item": {}, "amount": "1"}], "Flour"))), WrongSchema),
    "a confidence over 1": (wire(valid_reply(total=read("9.00", "9.00", confidence=95))), WrongSchema),
    "a confidence under 0": (wire(valid_reply(total=read("9.00", "9.00", confidence=-0.1))), WrongSchema),
    "a confidence in words": (wire(valid_reply(total=read("9.00", "9.00", confidence="high"))), WrongSchema),
    "a confidence that is true": (wire(valid_reply(total=read("9.00", "9.00", confidence=True))), WrongSchema),
    "a page that is not there": (wire(valid_reply(total=read("9.00", "nowhere to be found", page=7))), WrongSchema),
    "page 0": (wire(valid_reply(total=read("9.00", "nowhere to be found", page=0))), WrongSchema),
    "a page in words": (wire(valid_reply(total=read("9.00", "Total 9.00", page="first"))), WrongSchema),
    "half a page": (wire(valid_reply(total=read("9.00", "Total 9.00", page=1.5))), WrongSchema),
    "a quote that is a list": (wire(valid_reply(total=read("9.00", ["Total"]))), WrongSchema),
    "a quote that is true": (wire(valid_reply(total=read("9.00", True))), WrongSchema),
    "a quote that is a book": (wire(valid_reply(total=read("9.00", "9.00 " * 2_000))), WrongSchema),
    "quotes without objects": (
        wire(valid_reply(total={"value": "9.00", "evidence": ["Total 9.00"], "confidence": 1})),
        WrongSchema,
    ),
    "a grade over 1": (wire(_graded(grade=4)), WrongSchema),
    "a grade in words": (wire(_graded(grade="good")), WrongSchema),
    "no grade": (wire(_graded(grade=None)), WrongSchema),
    "too many entries": (wire(valid_reply(names=read(["x"] * 2_001, "Jane"))), WrongSchema),
}
