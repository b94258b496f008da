"""How sure a model was of each value, by the tokens of the reply."""

import math

import pytest

from blocks.gateway.model import ModelRequest
from blocks.gateway.replies.reading import read_reply
from tests.blocks.gateway.questions import BILL, PAGES, ask, wire


def tokens(*pieces: tuple[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple((text, math.log(probability)) for text, probability in pieces)


def sure(text: str, logprobs: tuple[tuple[str, float], ...]) -> dict[str, float | None]:
    request = ModelRequest(document_id="d", document_type=BILL, pages=PAGES, fields=("total", "names", "seller"))
    reply = read_reply(ask(request), "m", wire(text, token_logprobs=logprobs))
    return {name: one.signals.logprob if one.signals else None for name, one in reply.fields.items()}


TOTAL = '{"fields": {"seller": null, "names": null, "total": {"value": "'
REST = '", "evidence": [], "confidence": 0.9}}}'


def test_a_value_is_as_sure_as_its_tokens_together() -> None:
    logprobs = tokens((TOTAL, 0.1), ("9", 0.5), (".0", 0.8), ("0", 0.9), (REST, 0.1))
    assert sure(TOTAL + "9.00" + REST, logprobs)["total"] == pytest.approx(0.36)


def test_a_token_that_reaches_over_a_quotation_mark_counts() -> None:
    logprobs = tokens((TOTAL[:-1], 0.1), ('"9.', 0.5), ('00"', 0.8), (REST[1:], 0.1))
    assert sure(TOTAL + "9.00" + REST, logprobs)["total"] == pytest.approx(0.4)


def test_a_list_is_as_sure_as_its_least_sure_entry() -> None:
    begin, end = '{"fields": {"seller": null, "total": null, "names": {"value": ["', '"], "evidence": []}}}'
    logprobs = tokens((begin, 1.0), ("Ann", 0.9), ('", "', 1.0), ("Bo", 0.5), ("b", 0.5), (end, 1.0))
    assert sure(f'{begin}Ann", "Bob{end}', logprobs)["names"] == pytest.approx(0.25)


def test_prose_before_the_object_shifts_nothing() -> None:
    logprobs = tokens(('"Here" it is: ', 0.1), (TOTAL, 0.1), ("9.00", 0.7), (REST, 0.1))
    assert sure('"Here" it is: ' + TOTAL + "9.00" + REST, logprobs)["total"] == pytest.approx(0.7)


@pytest.mark.parametrize(
    "logprobs",
    [
        tokens((TOTAL, 0.1), ("9.01", 0.5), (REST, 0.1)),
        tokens(("9.00", 0.5)),
        ((TOTAL, 0.0), ("9.00", math.nan), (REST, 0.0)),
    ],
    ids=["other text", "a part", "no number"],
)
def test_tokens_that_do_not_fit_the_text_say_nothing(logprobs: tuple[tuple[str, float], ...]) -> None:
    assert sure(TOTAL + "9.00" + REST, logprobs)["total"] is None


def test_a_probability_is_never_over_one() -> None:
    assert sure(TOTAL + "9.00" + REST, ((TOTAL, 0.0), ("9.00", 3.0), (REST, 0.0)))["total"] == 1.0


def test_a_mended_reply_has_no_probabilities() -> None:
    text = TOTAL + "9.00" + REST[:-1] + ",}"
    assert sure(text, tokens((text, 0.5)))["total"] is None
