"""No bad reply gives a reading; each is named for what it is."""

import time

import pytest

from blocks.gateway.errors import ReplyRefused
from blocks.gateway.replies.reading import read_reply
from blocks.gateway.replies.wire_reply import WireReply
from tests.blocks.gateway.questions import ask, valid_reply, wire
from tests.blocks.gateway.replies.reply_shapes import BAD_SHAPES, GOOD


@pytest.mark.parametrize("shape", BAD_SHAPES)
def test_each_bad_shape_has_its_outcome(shape: str) -> None:
    reply, outcome = BAD_SHAPES[shape]
    with pytest.raises(ReplyRefused) as raised:
        read_reply(ask(), "m", reply)
    assert type(raised.value) is outcome
    assert raised.value.reply_text == reply.text
    assert raised.value.usage == reply.usage
    assert raised.value.output_characters == len(reply.text)


def test_a_reply_that_is_cut_anywhere_is_never_believed() -> None:
    outcomes = set()
    for end in range(len(GOOD)):
        with pytest.raises(ReplyRefused) as raised:
            read_reply(ask(), "m", wire(GOOD[:end]))
        outcomes.add(raised.value.kind)
    assert outcomes == {"truncated_reply", "empty_reply"}


def test_a_reply_with_any_character_lost_is_refused_or_reads_as_it_was_meant() -> None:
    """Where a reading comes of it all the same, its values are those of the text that is left."""
    meant = read_reply(ask(), "m", wire(GOOD))
    other = 0
    for at in range(len(GOOD)):
        damaged = GOOD[:at] + GOOD[at + 1 :]
        try:
            reply = read_reply(ask(), "m", wire(damaged))
        except ReplyRefused:
            continue
        if reply.is_repaired:
            assert {name: one.value for name, one in reply.fields.items()} == {
                name: one.value for name, one in meant.fields.items()
            }, damaged[max(0, at - 20) : at + 20]
        else:
            other += 1
    assert other > 0  # letters of values, blanks


@pytest.mark.parametrize(
    "text",
    [
        '{"' * 40_000,
        "{" * 100_000,
        '{"a":' * 60_000,
        "[" * 100_000,
        '{"a": "' + "\\" * 100_001,
        '{"fields": {"seller": ' + "'" * 50_000 + "}}",
        '{"fields": ' + '{"a" ' * 3_000 + "}" * 3_001,
        "<think>" * 20_000,
        " " * 200_000 + "x",
        "sorry " * 20_000,
        "ich kann " * 20_000,
        "{ " * 50_000 + "}" * 50_000,
        '{"a": [' + '"x "y" z", ' * 3_000 + "],}",
        '{"a": [' + '"b" ' * 8_000 + "]}",
        "{'a': ['" + "it's " * 6_000 + "']}",
        '{"a": ' + "[:]," * 500 + "}",
        '{"a": ' + '"x": {][],' * 500 + "}" * 500,
    ],
    ids=range(17),
)
def test_hostile_texts_are_judged_quickly(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ReplyRefused):
        read_reply(ask(), "m", wire(text))
    assert time.process_time() - started < 2.0


def test_what_a_reply_says_is_in_no_message() -> None:
    secret = "Jane Roe 4111"
    contents = [
        valid_reply(kind={"value": secret, "evidence": [], "confidence": 1}),
        valid_reply(**{secret: None}),
        valid_reply(total={"value": "9", "evidence": [{"page": secret, "quote": ""}], "confidence": 1}),
        valid_reply(total={"value": "9", "evidence": [], "confidence": secret}),
        {"error": f"I cannot help. {secret} is private."},
    ]
    replies: list[WireReply] = [*map(wire, contents), wire("", refusal=f"{secret} may not be read"), wire(secret)]
    for reply in replies:
        with pytest.raises(ReplyRefused) as raised:
            read_reply(ask(), "m", reply)
        assert secret not in str(raised.value)
        assert secret not in repr(raised.value)
