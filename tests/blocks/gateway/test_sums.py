from decimal import Decimal

from blocks.gateway.sums import borne_out, rates, rounded_from


def amounts(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def test_the_rates_of_a_document_are_read_with_and_without_their_sign() -> None:
    assert rates(["GST 6% + 0.51"]) == {Decimal("0.06")}
    assert rates(["MwSt 19,0 %  und 7 %"]) == {Decimal("0.19"), Decimal("0.07")}
    assert rates(["TAX CODE\n%\nAMOUNT\nSR\n6\n234.00"]) == {Decimal("0.06")}
    assert rates(["6\n12\n234.00"]) == frozenset(), "figures are no rates where nothing says so"
    assert rates(["100% cotton, 0% sugar"]) == frozenset()


def test_net_and_tax_bear_out_what_they_make_and_nothing_else() -> None:
    found = borne_out(amounts("50.00", "41.00", "8.49", "0.51", "9.00"), frozenset({Decimal("0.06")}))
    assert found == {Decimal("9.00")}
    assert borne_out(amounts("50.00", "41.00", "9.00"), frozenset({Decimal("0.06")})) == frozenset()


def test_what_was_handed_over_is_no_whole_sum() -> None:
    paid = amounts("9.00", "50.00", "41.00")
    assert Decimal("50.00") not in borne_out(paid, frozenset({Decimal("0.06"), Decimal("0.19")}))


def test_a_sum_its_rounding_and_the_rounded_sum_in_a_row() -> None:
    assert borne_out(amounts("177.22", "-0.02", "177.20"), frozenset()) == {Decimal("177.20")}
    assert borne_out(amounts("30.70", "0.00", "30.70"), frozenset()) == {Decimal("30.70")}
    assert borne_out(amounts("177.22", "5.00", "177.20"), frozenset()) == frozenset()


def test_a_rounded_sum_weighs_what_the_unrounded_one_does() -> None:
    known = {Decimal("25.44"): 3.9, Decimal("25.45"): 1.8, Decimal("0.01"): -4.0, Decimal("12.00"): 0.0}
    assert rounded_from(known) == {Decimal("25.45"): 3.9}
    assert rounded_from({Decimal("25.44"): 3.9, Decimal("25.45"): 1.8}) == {}, "the difference must be printed"
