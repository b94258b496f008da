"""The alarm keeps its bound over all time, rings soon when the promise breaks, and goes on from its record."""

import random

import pytest

from blocks.learning.monitor import Alarm, drift


def alarms(share: float, audits: int, histories: int, after: int = 0, error: float = 0.05) -> list[int | None]:
    """When the alarm rings in each history: `after` audits with half the promised error, then audits with this share
    wrong.
    """
    chance = random.Random(7)
    rang = []
    for _ in range(histories):
        good = [chance.random() < error / 2 for _ in range(after)]
        bad = [chance.random() < share for _ in range(audits)]
        rang.append(Alarm(error=error, delta=0.05).after(good + bad).rang_at)
    return rang


def test_false_alarms_keep_to_delta_over_all_time() -> None:
    """The share of wrong rows is the promised one, the worst that is allowed: 200 histories of 1,000 audits."""
    rang = alarms(0.05, 1000, 200)
    assert sum(at is not None for at in rang) / 200 <= 0.05


def test_it_rings_soon_at_four_times_the_error() -> None:
    rang = sorted(at or 9999 for at in alarms(0.2, 400, 100))
    assert rang[50] <= 45, "half of the alarms"
    assert rang[90] <= 90


def test_a_long_good_time_delays_it_little() -> None:
    rang = sorted((at or 9999) - 1000 for at in alarms(0.2, 400, 100, after=1000))
    assert rang[50] <= 110
    assert sum(at <= 0 for at in rang) <= 5, "false alarms before the change"


def test_the_wealth_is_a_martingale_at_the_promised_error() -> None:
    """One audit more changes the expected wealth by nothing where exactly the promised share is wrong."""
    now = Alarm(error=0.1, delta=0.05).after([False, True, False])
    expected = 0.9 * now.after([False]).wealth + 0.1 * now.after([True]).wealth
    assert expected == pytest.approx(now.wealth)
    less = 0.95 * now.after([False]).wealth + 0.05 * now.after([True]).wealth
    assert less < now.wealth


def test_it_goes_on_from_its_record_and_stays_on() -> None:
    audits = [True, False] * 20
    whole = Alarm(error=0.05, delta=0.05).after(audits)
    half = Alarm.model_validate_json(Alarm(error=0.05, delta=0.05).after(audits[:5]).model_dump_json())
    assert half.after(audits[5:]) == whole
    assert whole.rang_at is not None
    later = whole.after([False] * 5000 + [True] * 5000)
    assert (later.rang_at, later.audits, later.wrong) == (whole.rang_at, 10040, 5020)
    assert later.model_dump_json() != ""


def test_drift_is_shown() -> None:
    chance = random.Random(3)
    scores = [chance.betavariate(8, 2) for _ in range(300)]
    same = drift(scores, [chance.betavariate(8, 2) for _ in range(300)])
    shifted = drift(scores, [chance.betavariate(6, 3) for _ in range(300)])
    assert same is not None
    assert shifted is not None
    assert same.p_value > 0.05
    assert shifted.p_value < 1e-6
    assert shifted.gap > 0.2
    assert drift(scores, scores[:29]) is None
