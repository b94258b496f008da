import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import Criterion, DocumentField, FieldType, Rubric
from blocks.evidence.confidence import (
    CEILING,
    UNGROUNDED_CEILING,
    UNSUPPORTED_CEILING,
    combine,
    confidence_of,
    cross_check_log_odds,
    judging_grades,
    of_signals,
    written,
)
from blocks.evidence.grounding import Grounding
from blocks.records import CriterionReading, FieldReading, Signals

unit = st.floats(min_value=0, max_value=1)
maybe = st.none() | unit
some = st.lists(unit, max_size=3).map(tuple)
signals = st.builds(
    Signals,
    stated=maybe,
    logprob=maybe,
    witness=maybe,
    rival=maybe,
    peers=maybe,
    agreeing=some,
    disagreeing=some,
    is_repaired=st.booleans(),
)
TOTAL = DocumentField(type=FieldType.MONEY, required=True)
ACCEPT_AT = ReviewRules().accept_at


@given(unit, unit, st.booleans())
def test_no_combination_is_surer_than_its_weakest_part(reading: float, ocr: float, is_grounded: bool) -> None:
    combined = combine(reading, ocr, is_grounded=is_grounded)
    assert 0.0 <= combined <= min(reading, ocr)


def test_a_sure_reading_of_an_unsure_scan_is_unsure() -> None:
    assert combine(0.95, 0.30) < 0.30


def test_a_value_that_nobody_can_see_is_never_sure() -> None:
    assert combine(1.0, None, is_grounded=False) == UNGROUNDED_CEILING


def test_figures_out_of_range_and_nan_are_brought_back() -> None:
    assert combine(1.7) == 1.0
    assert combine(-0.2) == 0.0
    assert combine(float("nan")) == 0.0


@given(unit, unit)
def test_what_a_model_states_is_never_enough_by_itself(stated: float, logprob: float) -> None:
    assert UNSUPPORTED_CEILING < ACCEPT_AT
    assert of_signals(Signals(stated=stated, logprob=logprob)) <= UNSUPPORTED_CEILING + 1e-9
    seen_by_nobody = Signals(stated=stated, logprob=logprob, witness=0.0, rival=0.0)
    assert of_signals(seen_by_nobody) <= UNSUPPORTED_CEILING + 1e-9


@pytest.mark.parametrize(
    "doubted",
    [
        Signals(stated=0.95, logprob=0.30),
        Signals(stated=0.30, logprob=0.95),
        Signals(stated=0.95, witness=0.30, rival=0.60),
        Signals(stated=0.95, peers=0.30),
        Signals(stated=0.95, agreeing=(0.30,)),
        Signals(stated=0.95, disagreeing=(0.30,)),
        Signals(stated=0.30, agreeing=(0.95,)),
        Signals(stated=0.95, witness=0.95, rival=0.01, disagreeing=(0.95,)),
    ],
)
def test_a_095_beside_a_030_is_no_095(doubted: Signals) -> None:
    assert of_signals(doubted) < 0.94


def test_an_unsure_agreement_lowers_and_a_sure_one_raises() -> None:
    alone = of_signals(Signals(stated=0.9))
    assert of_signals(Signals(stated=0.9, agreeing=(0.3,))) < alone < of_signals(Signals(stated=0.9, agreeing=(0.7,)))


def test_of_two_values_that_contradict_each_other_not_both_are_likely() -> None:
    assert of_signals(Signals(stated=0.9, witness=0.9, rival=0.05, disagreeing=(0.97,))) < 0.6


def test_a_value_that_the_built_in_reader_ranks_first_is_accepted_and_one_from_elsewhere_is_not() -> None:
    first = Signals(stated=0.99, witness=0.9, rival=0.05)
    elsewhere = Signals(stated=0.99, witness=0.02, rival=0.9)
    assert of_signals(first) > ACCEPT_AT > 0.2 > of_signals(elsewhere)


def test_the_rest_of_a_reply_tips_what_is_close_and_saves_nothing_that_is_contradicted() -> None:
    close = Signals(stated=0.99, witness=0.4, rival=0.5)
    assert of_signals(close) < ACCEPT_AT < of_signals(close.model_copy(update={"peers": 0.95}))
    contradicted = Signals(stated=0.99, witness=0.05, rival=0.9, peers=1.0)
    assert of_signals(contradicted) < ACCEPT_AT
    among_lies = Signals(stated=0.99, witness=0.6, rival=0.2, peers=0.02)
    assert of_signals(among_lies) < ACCEPT_AT


@pytest.mark.parametrize(
    "doubted",
    [
        Signals(stated=0.99, witness=0.29, rival=0.88),
        Signals(stated=0.99, witness=0.3, rival=0.5),
        Signals(stated=0.99, witness=0.0, rival=0.0),
        Signals(stated=0.99, witness=0.01, rival=0.0),
    ],
)
def test_one_wrong_value_is_not_accepted_for_the_right_ones_around_it(doubted: Signals) -> None:
    among_truths = doubted.model_copy(update={"peers": 1.0})
    assert of_signals(doubted) <= of_signals(among_truths) < ACCEPT_AT
    assert of_signals(among_truths.model_copy(update={"agreeing": (0.9,)})) > ACCEPT_AT


def test_a_mended_reply_counts_less() -> None:
    intact = Signals(stated=0.7, witness=0.6, rival=0.3)
    assert of_signals(intact.model_copy(update={"is_repaired": True})) < of_signals(intact)


@given(signals)
def test_signals_give_a_probability(given: Signals) -> None:
    assert 0.0 <= of_signals(given) <= CEILING


@given(signals, st.sampled_from(["stated", "logprob", "witness", "rival", "peers"]), unit, unit)
def test_each_signal_moves_confidence_one_way_only(given: Signals, name: str, low: float, high: float) -> None:
    low, high = sorted((low, high))
    less, more = (of_signals(given.model_copy(update={name: value})) for value in (low, high))
    assert (more <= less if name == "rival" else less <= more) or math.isclose(less, more)


@given(signals, some, unit, unit)
def test_more_agreement_raises_and_more_disagreement_lowers(
    given: Signals, others: Sequence[float], low: float, high: float
) -> None:
    low, high = sorted((low, high))
    agreeing = [of_signals(given.model_copy(update={"agreeing": (*others, value)})) for value in (low, high)]
    disagreeing = [of_signals(given.model_copy(update={"disagreeing": (*others, value)})) for value in (low, high)]
    assert agreeing[0] <= agreeing[1] + 1e-12
    assert disagreeing[1] <= disagreeing[0] + 1e-12


def test_nan_and_figures_out_of_range_never_make_a_value_sure() -> None:
    nan = float("nan")
    broken = Signals(stated=nan, logprob=7.0, witness=nan, rival=nan, peers=nan, agreeing=(nan,), disagreeing=(nan,))
    assert 0.0 <= of_signals(broken) < 0.1
    assert of_signals(Signals(stated=float("inf"))) <= UNSUPPORTED_CEILING + 1e-9
    assert of_signals(Signals(stated=0.9, agreeing=(1.0,) * 500)) == CEILING


def test_the_built_in_readers_confidence_is_taken_as_it_is() -> None:
    reading = FieldReading(value="9.00", confidence=0.93)
    assert confidence_of(TOTAL, reading, Grounding(True)) == 0.93
    assert confidence_of(TOTAL, reading, Grounding(True, "", 0.5)) == pytest.approx(0.465)


def test_a_models_reading_follows_from_its_signals_evidence_and_scan() -> None:
    reading = FieldReading(value="9.00", confidence=1.0, signals=Signals(stated=0.9, witness=0.9, rival=0.02))
    grounded = confidence_of(TOTAL, reading, Grounding(True))
    assert grounded == of_signals(reading.signals or Signals()) > ACCEPT_AT
    assert confidence_of(TOTAL, reading, Grounding(True, "", 0.6)) == pytest.approx(grounded * 0.6)
    assert confidence_of(TOTAL, reading, Grounding(False, "the quote is not on page 1")) == UNGROUNDED_CEILING


def test_a_written_text_is_as_good_as_its_weakest_judgement() -> None:
    rubric = Rubric(
        criteria=(
            Criterion(name="tone", description="Polite.", judges="answer"),
            Criterion(name="facts", description="True.", judges="answer"),
            Criterion(name="urgency", description="How urgent it is."),
        )
    )
    grades = [
        CriterionReading(name=n, grade=g, confidence=1.0) for n, g in (("tone", 0.9), ("facts", 0.6), ("urgency", 0.1))
    ]
    judged = judging_grades(rubric.criteria, "answer", grades)
    assert [grade.name for grade in judged] == ["tone", "facts"]
    field = DocumentField(type=FieldType.TEXT, written=True)
    reading = FieldReading(value="Dear Ann", signals=Signals(stated=1.0))
    assert confidence_of(field, reading, Grounding(False, "no quote was given"), judged) == 0.6
    assert written(()) == UNSUPPORTED_CEILING


@given(unit, unit)
def test_a_models_grade_of_its_own_draft_is_never_enough(grade: float, sure: float) -> None:
    judged = CriterionReading(name="tone", grade=grade, confidence=sure)
    assert written([judged]) == min(grade, sure, UNSUPPORTED_CEILING) < ACCEPT_AT


def test_no_grade_is_asked_for_without_a_rubric() -> None:
    grades = [CriterionReading(name="tone", grade=0.9, confidence=1.0)]
    assert judging_grades((), "answer", grades) == ()


def odds(probability: float) -> float:
    return probability / (1 - probability)


@pytest.mark.parametrize(
    ("signals", "confidence"),
    [
        (Signals(), 0.6),
        (Signals(stated=0.7), 0.7),
        (Signals(stated=0.7, logprob=0.4), 0.4),
        (Signals(stated=0.4, logprob=0.7), 0.4),
        (Signals(logprob=0.99), UNSUPPORTED_CEILING),
        (Signals(stated=0.0), 0.01),
        (Signals(stated=0.5, agreeing=(0.8,)), 0.8),
        (Signals(stated=0.5, agreeing=(0.8, 0.8)), 16 / 17),
        (Signals(stated=0.5, disagreeing=(0.5,)), 1 / 3),
        (Signals(stated=0.5, disagreeing=(0.8, 0.5)), 1 / 7),
        (Signals(stated=0.5, agreeing=(0.8,), disagreeing=(0.5,)), 4 / 6),
        (Signals(stated=0.5, peers=0.7), 0.7),
        (Signals(stated=0.5, peers=0.3), 0.3),
        (Signals(stated=0.5, witness=0.59, rival=0.29), 2 / 3),
        (Signals(stated=0.5, witness=0.29, rival=0.59), 1 / 3),
        (Signals(stated=0.5, witness=0.03), 0.8),
    ],
)
def test_odds_of_the_voices_are_multiplied(signals: Signals, confidence: float) -> None:
    assert of_signals(signals) == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("signals", "log_odds"),
    [
        (Signals(stated=0.5, is_repaired=True), -0.4),
        (Signals(stated=0.5, peers=1.0), 1.8),
        (Signals(stated=0.5, peers=0.0), -2.5),
        (Signals(stated=0.5, witness=1.0, rival=0.0), 4.0),
        (Signals(stated=0.5, witness=0.0, rival=1.0), -4.0),
        (Signals(stated=0.5, witness=0.4, rival=0.5, peers=0.8), math.log(4) + math.log(0.41 / 0.51)),
        (Signals(stated=0.5, witness=0.39, rival=0.59, peers=0.8), 0.0),
        (Signals(stated=0.5, witness=0.39, rival=0.59, peers=0.2), math.log(40 / 60) - math.log(4)),
        (Signals(stated=0.5, witness=0.01, rival=0.0, peers=0.8), 0.0),
        (Signals(stated=0.5, witness=0.0, rival=0.0, peers=0.2), -math.log(4)),
        (Signals(stated=0.5, witness=0.03, rival=0.03, peers=0.8), math.log(4)),
    ],
)
def test_each_voice_has_its_bounds(signals: Signals, log_odds: float) -> None:
    assert math.log(odds(of_signals(signals))) == pytest.approx(log_odds)


def test_the_built_in_reader_is_bounded_both_ways_and_silent_where_it_sees_both_alike() -> None:
    assert cross_check_log_odds(1.0, 0.0) == 4.0
    assert cross_check_log_odds(0.0, 1.0) == -4.0
    assert cross_check_log_odds(0.3, 0.3) == 0.0
    assert cross_check_log_odds(0.29, 0.14) == pytest.approx(math.log(2))
    assert cross_check_log_odds(float("nan"), 2.0) == -4.0


def test_however_many_models_agree_others_may_still_contradict_them() -> None:
    many = Signals(stated=0.9, agreeing=(0.99,) * 20)
    assert of_signals(many) == CEILING == 0.985
    assert of_signals(Signals(stated=0.5, disagreeing=(1.0,))) == pytest.approx(1 / 101)


@pytest.mark.parametrize(
    ("grade", "sure", "confidence"), [(0.5, 0.7, 0.5), (0.7, 0.5, 0.5), (1.0, 1.0, 0.75), (0.0, 1.0, 0.0)]
)
def test_a_written_text_has_the_lower_of_its_grade_and_how_sure_the_grade_is(
    grade: float, sure: float, confidence: float
) -> None:
    assert written([CriterionReading(name="tone", grade=grade, confidence=sure)]) == confidence


def test_an_unread_scan_and_an_ungrounded_value_keep_the_lower_figure() -> None:
    assert combine(0.1, None, is_grounded=False) == 0.1
    assert combine(0.9, 0.1, is_grounded=False) == pytest.approx(0.09)
    assert combine(0.9, 0.0) == 0.0
    assert combine(0.9, 7.0) == 0.9
