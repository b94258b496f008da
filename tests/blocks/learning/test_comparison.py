"""Two ways of reading the same documents: exact, paired, and inconclusive unless chance is ruled out."""

import random

import pytest
from scipy.stats import binomtest  # type: ignore[import-untyped] # scipy ships no types

from blocks.learning.comparison import Verdict, compare
from blocks.learning.evaluation import ReadDocument
from tests.blocks.learning.documents import INVOICE
from tests.blocks.learning.read_documents import LABELS, read_document


def readings(pattern: str, field: str = "total") -> list[ReadDocument]:
    """A document per sign: + was read right, - has the field wrong."""
    wrong = {field: "2000-01-01" if field == "issued" else "1"}
    return [read_document(str(number), values={} if sign == "+" else wrong) for number, sign in enumerate(pattern)]


def test_pairs_that_agree_say_nothing() -> None:
    found = compare(INVOICE, readings("++++--"), readings("++++--")).documents
    assert (found.pairs, found.better, found.worse, found.p_value) == (6, 0, 0, 1.0)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    [
        (5, 0, Verdict.INCONCLUSIVE),  # P = 2 / 32
        (6, 0, Verdict.BETTER),  # P = 2 / 64
        (0, 6, Verdict.WORSE),
        (10, 2, Verdict.BETTER),  # P = 0.0386
        (9, 2, Verdict.INCONCLUSIVE),  # P = 0.0654
    ],
)
def test_the_verdict_is_that_of_the_exact_test(better: int, worse: int, verdict: Verdict) -> None:
    before, after = "-" * better + "+" * worse + "+" * 5, "+" * better + "-" * worse + "+" * 5
    found = compare(INVOICE, readings(before), readings(after)).documents
    assert (found.better, found.worse, found.verdict) == (better, worse, verdict)
    assert found.p_value == pytest.approx(binomtest(better, better + worse).pvalue)
    assert found.difference == pytest.approx((better - worse) / (better + worse + 5))
    back = compare(INVOICE, readings(after), readings(before)).documents
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_fields_share_the_certainty() -> None:
    """P = 2 / 64 is enough for the document, and not for one of five fields; 2 / 256 is."""
    fields = compare(INVOICE, readings("------"), readings("++++++")).fields
    assert set(fields) == set(LABELS)
    assert fields["total"].better == 6
    assert fields["total"].verdict is Verdict.INCONCLUSIVE
    assert compare(INVOICE, readings("-" * 8), readings("+" * 8)).fields["total"].verdict is Verdict.BETTER
    both = [
        compare(INVOICE, readings("-" * 8, name), readings("+" * 8, name)).fields[name].verdict
        for name in ("total", "issued")
    ]
    assert both == [Verdict.BETTER, Verdict.BETTER]


def test_the_interval_covers_the_true_difference() -> None:
    chance = random.Random(5)
    covered = 0
    for _ in range(200):
        signs = [chance.choices(["-+", "+-", "++"], [0.15, 0.05, 0.8])[0] for _ in range(60)]
        found = compare(
            INVOICE, readings("".join(sign[0] for sign in signs)), readings("".join(sign[1] for sign in signs))
        ).documents
        covered += found.low <= 0.1 <= found.high
        assert found.verdict is not Verdict.INCONCLUSIVE or found.low <= 0 <= found.high, "the interval is the wider"
    assert covered >= 190


def test_chance_alone_gives_a_verdict_in_5_of_100_at_most() -> None:
    chance = random.Random(6)
    wrongly = 0
    for _ in range(200):
        signs = [chance.choice(["-+", "+-"]) for _ in range(20)]
        found = compare(
            INVOICE, readings("".join(sign[0] for sign in signs)), readings("".join(sign[1] for sign in signs))
        ).documents
        wrongly += found.verdict is not Verdict.INCONCLUSIVE
    assert wrongly <= 16, "4.1 % expected of 200, and noise"


def test_documents_of_one_side_are_left_out_and_labels_must_agree() -> None:
    found = compare(INVOICE, readings("++++"), readings("++"))
    assert (found.left_out, found.documents.pairs) == (2, 2)
    with pytest.raises(ValueError, match="labels"):
        compare(INVOICE, readings("+"), [read_document("0", labels={**LABELS, "total": "3"})])


def test_nothing_compared() -> None:
    found = compare(INVOICE, [], []).documents
    assert (found.difference, found.low, found.high, found.verdict) == (None, -1.0, 1.0, Verdict.INCONCLUSIVE)
