import pytest
from jiter import LosslessFloat

from blocks.gateway.replies.json_scalars import Unreadable, as_written, plain_number


@pytest.mark.parametrize(
    ("number", "plain"),
    [(0, "0"), (-7, "-7"), (as_written("9.00"), "9.00"), (as_written("1.5e3"), "1500"), (as_written("2E-3"), "0.002")],
)
def test_a_number_keeps_its_digits_and_loses_its_exponent(number: int | LosslessFloat, plain: str) -> None:
    assert plain_number(number) == plain


def test_numbers_are_read_up_to_a_size() -> None:
    assert plain_number(10**100 - 1) == "9" * 100
    assert plain_number(as_written("1e30")) == "1" + "0" * 30
    for absurd in (10**100, -(10**100), as_written("1e31"), as_written("1e-31"), as_written("1." + "1" * 99)):
        with pytest.raises(Unreadable):
            plain_number(absurd)
