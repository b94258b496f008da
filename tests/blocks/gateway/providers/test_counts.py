from decimal import Decimal

import pytest

from blocks.gateway.model import Usage
from blocks.gateway.providers.counts import MAX_TOKENS, count, part_of, stated_usage, usd


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        (0, 0),
        (7, 7),
        (7.0, 7),
        (MAX_TOKENS, MAX_TOKENS),
        (MAX_TOKENS + 1, None),
        (-1, None),
        (1.5, None),
        (True, None),
        ("7", None),
        (None, None),
        (float("inf"), None),
    ],
)
def test_what_can_be_a_count(value: object, tokens: int | None) -> None:
    assert count(value) == tokens


def test_a_part_is_no_more_than_its_total() -> None:
    assert [part_of(value, 5) for value in (5, 6, -1, None)] == [5, 0, 0, 0]


def test_a_usage_needs_both_totals() -> None:
    assert stated_usage(1, None, "").is_stated is stated_usage(None, 1, "").is_stated is False
    assert stated_usage(3, 2, "", cached_tokens=1) == Usage(input_tokens=3, output_tokens=2, cached_tokens=1)


def test_a_usage_of_zeros_under_an_answer_is_not_stated() -> None:
    assert not stated_usage(0, 0, "{}").is_stated
    assert not stated_usage(0, 2, "{}").is_stated
    assert not stated_usage(3, 0, "{}").is_stated
    assert stated_usage(3, 0, "") == Usage(input_tokens=3)


def test_an_amount_of_money_is_exact_or_none() -> None:
    assert usd(0.0004970133333333333) == Decimal("0.0004970133333333333")
    assert [usd("1.5e-3"), usd(0), usd(2)] == [Decimal("0.0015"), Decimal(0), Decimal(2)]
    impossible: tuple[object, ...] = (None, True, "free", -1, float("nan"), "inf", 1_001, {}, [])
    assert {usd(value) for value in impossible} == {None}
