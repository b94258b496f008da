import pytest

from blocks.gateway.model import Usage
from blocks.gateway.providers.counts import MAX_TOKENS, count, part_of, stated_usage


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
    assert stated_usage(1, None).is_stated is stated_usage(None, 1).is_stated is False
    assert stated_usage(0, 2, cached_tokens=1) == Usage(input_tokens=0, output_tokens=2, cached_tokens=1)
