"""Whatever a provider gives back, judging it ends in a reply of the schema or in a typed refusal."""

import json
import random
from typing import Any

import pytest

from blocks.gateway.errors import ReplyRefused
from blocks.gateway.model import ModelReply
from blocks.gateway.replies.reading import read_reply
from blocks.gateway.replies.wire_reply import Finish
from tests.blocks.gateway.questions import BILL, ask, valid_reply, wire

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 0.5, 1e300, 10**90, "", " ", "x", "9.00", "0.5", "n/a", "I cannot help with that.",
    "{}", "[]", "\\", '"', "\u202e", "\U0001f600", [], {}, [[]], [{}], {"a": 1}, [None], ["x", 1], "x" * 5_000,
    {"value": None}, {"page": 1, "quote": "Total"}, [{"page": "2", "quote": 9}], {"value": "x", "evidence": 1},
]  # fmt: skip
PIECES = [*"{}[]:,\"\\\n' ", "null", "NaN", "1e9", "\\u0000", "\\ud800", "```", "</think>", "é", "\ud800", "\0", "9.00"]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a JSON value that can be given another value."""
    found: list[tuple[Any, Any]] = []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found.append((value, key))
        found.extend(places(one))
    return found


def judge(text: str, finish: Finish = Finish.STOP) -> ModelReply | str:
    logprobs = tuple((text[at : at + 3], -0.1) for at in range(0, len(text), 3))
    try:
        reply = read_reply(ask(), "m", wire(text, finish, token_logprobs=logprobs))
    except ReplyRefused as error:
        return error.kind
    content = reply.model_dump_json()
    assert ModelReply.model_validate_json(content) == reply
    assert "\0" not in json.dumps(reply.model_dump(mode="json"), ensure_ascii=False).encode().decode()
    assert set(reply.fields) <= set(BILL.fields)
    for reading in reply.fields.values():
        assert reading.signals is not None
        assert all(0 <= one <= 1 for one in (reading.signals.stated, reading.signals.logprob) if one is not None)
        assert all(evidence.page in {1, 2} for evidence in reading.evidence)
    assert all(0 <= one.grade <= 1 and 0 <= one.confidence <= 1 for one in reply.criteria)
    return reply


def test_a_reply_with_any_value_anywhere_is_judged() -> None:
    rng = random.Random(1)
    outcomes: dict[object, int] = {}
    for _ in range(1_500):
        reply = valid_reply()
        for _ in range(rng.randint(1, 2)):
            where, key = rng.choice(places(reply))
            where[key] = rng.choice(ODD)
        judged = judge(json.dumps(reply))
        kind = judged if isinstance(judged, str) else "reply"
        outcomes[kind] = outcomes.get(kind, 0) + 1
    assert set(outcomes) <= {"reply", "wrong_schema", "malformed_reply", "model_refusal"}
    assert min(outcomes.get("reply", 0), outcomes.get("wrong_schema", 0)) > 100


def test_a_text_that_is_damaged_anywhere_is_judged() -> None:
    rng = random.Random(2)
    good = json.dumps(valid_reply())
    outcomes: dict[object, int] = {}
    for _ in range(1_500):
        text = good
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(PIECES) + text[at + rng.randrange(8) :]
        judged = judge(text, rng.choice(list(Finish)) if rng.random() < 0.2 else Finish.STOP)
        kind = judged if isinstance(judged, str) else "reply"
        outcomes[kind] = outcomes.get(kind, 0) + 1
    assert min(outcomes.get(kind, 0) for kind in ("reply", "malformed_reply", "truncated_reply", "wrong_schema")) > 0


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_judged(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(500):
        text = "".join(rng.choices([*PIECES, '"fields"', '"value"', "{", "}"], k=rng.randint(1, 60)))
        assert isinstance(judge(text), str)
