from decimal import Decimal

from blocks.reader.sums import rates, rounded_from, sums_and_parts


def amounts(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def test_the_rates_of_a_document_are_read_with_and_without_their_sign() -> None:
    assert rates(["GST 6% + 0.51"]) == {Decimal("0.06")}
    assert rates(["MwSt 19,0 %  und 7 %"]) == {Decimal("0.19"), Decimal("0.07")}
    assert rates(["TAX CODE\n%\nAMOUNT\nSR\n6\n234.00"]) == {Decimal("0.06")}
    assert rates(["6\n12\n234.00"]) == frozenset(), "figures are no rates where nothing says so"
    assert rates(["100% cotton, 0% sugar"]) == frozenset()


def sums(*texts: str, share: str = "0.06") -> set[str]:
    return {str(amount) for amount in sums_and_parts(amounts(*texts), frozenset({Decimal(share)}))[0]}


def test_net_and_tax_support_what_they_make_and_are_its_parts() -> None:
    totals, parts = sums_and_parts(amounts("50.00", "8.49", "3.00", "0.51", "9.00"), frozenset({Decimal("0.06")}))
    assert totals == {Decimal("9.00")}
    assert parts == {Decimal("8.49"), Decimal("0.51")}
    not_printed = sums_and_parts(amounts("50.00", "8.49", "0.51"), frozenset({Decimal("0.06")}))
    assert not_printed == (frozenset(), frozenset()), "a net amount whose gross is not printed may be the total"


def test_cash_with_its_change_supports_the_sum_before_it() -> None:
    assert sums("9.00", "50.00", "41.00", share="0.19") == {"9.00"}
    assert sums("41.00", "9.00", "50.00", "1.00") == {"50.00"}, "what was added up before it is a sum"
    assert sums("8.49", "9.00", "0.51", share="0.06") == {"9.00"}, "a net amount, its gross and the tax"


def test_two_amounts_support_their_sum_shortly_after_them() -> None:
    totals, parts = sums_and_parts(amounts("7.92", "0.48", "8.40", "6.39", "14.79"), frozenset())
    assert totals == {Decimal("8.40"), Decimal("14.79")}
    assert parts == {Decimal("7.92"), Decimal("0.48"), Decimal("6.39")}
    assert sums("8.40", "1.11", "2.22", "3.33", "4.45", "14.79") == {"3.33"}


def test_a_sum_its_rounding_and_the_rounded_sum_in_a_row() -> None:
    assert sums("177.22", "-0.02", "177.20") == {"177.20"}
    assert sums("30.70", "0.00", "30.70") == {"30.70"}
    assert sums("177.22", "5.00", "177.20") == set()


def test_a_rounded_sum_weighs_what_the_unrounded_one_does() -> None:
    known = {Decimal("25.44"): 3.9, Decimal("25.45"): 1.8, Decimal("0.01"): -4.0, Decimal("12.00"): 0.0}
    assert rounded_from(known) == {Decimal("25.45"): 3.9}
    assert rounded_from({Decimal("25.44"): 3.9, Decimal("25.45"): 1.8}) == {}, "the difference must be printed"
