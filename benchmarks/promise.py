"""How often a promise is broken, and what it accepts, in simulated histories.

A history draws labels at random from a world whose true share of wrong documents above each threshold is known, and a
method picks a threshold from them. The promise is broken if the documents above it are wrong more often than
promised. That may happen in 1 - certainty of the histories, here 5 %. The oracle knows the truth and accepts as much
as it can.

Worlds: synthetic scores, and the receipts of the data folder as the built-in reader reads them, drawn with
replacement: a document is wrong if its company, date or total is; its score is the least confidence of the three.

Methods: the promise (blocks/learning/promise.py); the naive threshold, the loosest of the same candidates whose
observed error looks fine; Bonferroni over the same candidates; MAPIE, if it is installed (pip install mapie), by its
fixed sequence and by its default, Holm, over the same candidates. The variants of the promise begin elsewhere: with
the labels that pass without an error, and with those that leave room for one, both without a margin.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from accuracy_fields import is_same, receipt_tasks

from blocks.document_types.loader import load_document_types
from blocks.learning.monitor import Alarm
from blocks.learning.promise import DrawnLabel, candidate_thresholds, fewest_labels, level, passes, prove
from blocks.reader import reading
from blocks.settings import Settings

CERTAINTY = Decimal("0.95")
DELTA = level(CERTAINTY)
LOOK_EVERY = 50
Method = Callable[[Sequence[DrawnLabel], Sequence[float], Fraction], float | None]


@dataclass(frozen=True, slots=True)
class World:
    """Documents by descending score, each with the probability that it is wrong."""

    name: str
    scores: np.ndarray
    wrong: np.ndarray

    @classmethod
    def of(cls, name: str, scores: np.ndarray, wrong: np.ndarray) -> "World":
        order = np.argsort(-scores, kind="stable")
        return cls(name, scores[order], wrong[order].astype(float))

    def above(self, threshold: float) -> tuple[float, float]:
        """The share of documents at or above a threshold, and the true share of wrong ones among them."""
        count = int(np.searchsorted(-self.scores, -threshold, side="right"))
        return count / len(self.scores), float(self.wrong[:count].mean()) if count else 0.0

    def oracle(self, error: Fraction) -> float:
        counted = np.arange(1, len(self.scores) + 1)
        is_last_of_equals = np.append(self.scores[1:] != self.scores[:-1], True)
        kept = is_last_of_equals & (self.wrong.cumsum() <= float(error) * counted)
        return float(counted[kept].max(initial=0) / len(self.scores))

    def draw(self, chance: np.random.Generator, count: int) -> list[DrawnLabel]:
        rows = chance.integers(len(self.scores), size=count)
        are_wrong = chance.random(count) < self.wrong[rows]
        return [
            DrawnLabel(str(number), float(self.scores[row]), bool(is_wrong), 1.0)
            for number, (row, is_wrong) in enumerate(zip(rows, are_wrong, strict=True))
        ]


def synthetic() -> Iterator[World]:
    """Worlds of 20,000 documents, by their rank from 0, the surest, to 1."""
    rank = (np.arange(20_000) + 0.5) / 20_000
    yield World.of("surer is better", 1 - rank, 0.3 * rank**2)
    yield World.of("some wrong everywhere", 1 - rank, 0.005 + 0.4 * rank**1.5)
    yield World.of("score says nothing, error a hair above 5 %", 1 - rank, np.full(20_000, 0.0501))
    yield World.of("the surest tenth is worst", 1 - rank, np.where(rank < 0.1, 0.08, 0.045))


def receipts(data: Path) -> World:
    document_type = load_document_types(Settings().document_types_dir)["receipt"]
    scores, wrong = [], []
    for task in receipt_tasks(data):
        fields = reading.read(document_type, task.pages).fields
        found = [(fields.get(name), truth, document_type.fields[name].type) for name, truth in task.truth.items()]
        scores.append(min(value.confidence if value else 0.0 for value, _, _ in found))
        wrong.append(not all(value and is_same(kind, str(value.value), truth) for value, truth, kind in found))
    return World.of(f"{len(scores)} receipts", np.array(scores), np.array(wrong))


def promised(labels: Sequence[DrawnLabel], thresholds: Sequence[float], error: Fraction) -> float | None:
    return prove(labels, thresholds, error, DELTA).threshold


def naive(labels: Sequence[DrawnLabel], thresholds: Sequence[float], error: Fraction) -> float | None:
    fine = (t for t in thresholds if (c := counts(labels, t))[0] <= error * c[1] and c[1])
    return min(fine, default=None)


def bonferroni(labels: Sequence[DrawnLabel], thresholds: Sequence[float], error: Fraction) -> float | None:
    delta = level(CERTAINTY, promises=len(thresholds))
    return min((t for t in thresholds if passes(*counts(labels, t), error, delta)), default=None)


def mapie(procedure: str) -> Method:
    from mapie.risk_control import BinaryClassificationController

    def pick(labels: Sequence[DrawnLabel], thresholds: Sequence[float], error: Fraction) -> float | None:
        controller = BinaryClassificationController(
            lambda scores: np.column_stack([1 - scores[:, 0], scores[:, 0]]),
            risk="precision",
            target_level=float(1 - error),
            confidence_level=float(CERTAINTY),
            list_predict_params=np.array(thresholds),
            fwer_method=procedure,
        )
        scores, right = [[label.score] for label in labels], [int(not label.is_wrong) for label in labels]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it finds no threshold
            controller.calibrate(np.array(scores), np.array(right))
        return float(min(controller.valid_predict_params)) if len(controller.valid_predict_params) else None

    return pick


def counts(labels: Sequence[DrawnLabel], threshold: float) -> tuple[int, int]:
    above = [label.is_wrong for label in labels if label.score >= threshold]
    return sum(above), len(above)


def beginning(errors: int) -> Method:
    """The promise, from the share on that expects just the labels that pass with so many errors."""

    def pick(labels: Sequence[DrawnLabel], thresholds: Sequence[float], error: Fraction) -> float | None:
        first = min(fewest_labels(errors, error, DELTA) / len(labels), 1.0)
        ranked = UNLABELLED[::-1]
        shares = [first + (1 - first) * step / 19 for step in range(20)]
        own = tuple(dict.fromkeys(float(ranked[ceil(share * len(ranked)) - 1]) for share in shares))
        return prove(labels, own, error, DELTA).threshold

    return pick


UNLABELLED: np.ndarray = np.array([])
"""Scores of the world at hand that serve no proof, in ascending order."""


def simulate(world: World, count: int, error: Fraction, histories: int) -> dict[str, object]:
    """How often each method breaks the promise, finds no threshold, and what it accepts on average."""
    global UNLABELLED  # noqa: PLW0603 # the variants of the promise need it beside the candidates
    chance = np.random.default_rng(11)
    methods: dict[str, Method] = {"promise": promised, "naive": naive, "Bonferroni": bonferroni}
    if importlib.util.find_spec("mapie"):
        methods |= {"MAPIE, fixed sequence": mapie("fixed_sequence"), "MAPIE, Holm": mapie("bonferroni_holm")}
    methods |= {"begins without an error": beginning(0), "begins with one error": beginning(1)}
    UNLABELLED = np.sort(chance.choice(world.scores, 5000))
    thresholds = candidate_thresholds(UNLABELLED.tolist(), count, error, DELTA)
    picked: dict[str, list[float | None]] = {name: [] for name in methods}
    for _ in range(histories):
        labels = world.draw(chance, count)
        for name, method in methods.items():
            picked[name].append(method(labels, thresholds, error))
    found = {name: figures(world, picks, error) for name, picks in picked.items()}
    title = f"{world.name}, {count} labels, {float(error):.0%}, oracle {world.oracle(error):.3f}"
    print(f"\n{title}")
    for name, figure in found.items():
        print(f"  {name:<26}" + "  ".join(f"{key} {value:.3f}" for key, value in figure.items()), flush=True)
    return {"setting": title, **found}


def figures(world: World, picks: Sequence[float | None], error: Fraction) -> dict[str, float]:
    above = [world.above(pick) if pick is not None else (0.0, 0.0) for pick in picks]
    return {
        "broken": sum(wrong > error for _, wrong in above) / len(picks),
        "accepted": sum(share for share, _ in above) / len(picks),
        "nothing proven": sum(pick is None for pick in picks) / len(picks),
    }


def peek(world: World, count: int, error: Fraction, histories: int) -> dict[str, object]:
    """Looks at growing labels, with delta spent over them and without: broken if any look's threshold breaks it.

    What a look has proven stays until a later one proves more.
    """
    found: dict[str, object] = {}
    unlabelled = np.random.default_rng(12).choice(world.scores, 5000).tolist()
    every_50 = list(range(LOOK_EVERY, count + 1, LOOK_EVERY))
    seldom = looks_worth_their_delta(error, count)
    for name, sizes, is_spending in (
        ("spending, every 50 labels", every_50, True),
        ("spending, a quarter more", seldom, True),
        ("without spending, every 50", every_50, False),
    ):
        chance = np.random.default_rng(13)
        levels = [level(CERTAINTY, look=look) if is_spending else DELTA for look in range(1, len(sizes) + 1)]
        looks = [
            (size, delta, candidate_thresholds(unlabelled, size, error, delta))
            for size, delta in zip(sizes, levels, strict=True)
        ]
        picks: list[float | None] = []
        for _ in range(histories):
            labels = world.draw(chance, count)
            proven = [prove(labels[:size], grid, error, delta).threshold for size, delta, grid in looks]
            picks.append(min((threshold for threshold in proven if threshold is not None), default=None))
        found[name] = figures(world, picks, error)
    title = f"{world.name}, looks up to {count} labels, {float(error):.0%}, oracle {world.oracle(error):.3f}"
    print(f"\n{title}")
    for name, figure in found.items():
        print(f"  {name:<28}{figure}", flush=True)
    return {"setting": title, **found}


def looks_worth_their_delta(error: Fraction, count: int) -> list[int]:
    """The first look where labels without an error would pass, the next ones with at least 50 and a quarter more."""
    size = ceil(fewest_labels(0, error, level(CERTAINTY, look=1)) / LOOK_EVERY) * LOOK_EVERY
    sizes = []
    while size <= count:
        sizes.append(size)
        size += LOOK_EVERY * ceil(size / 4 / LOOK_EVERY)
    return sizes


def audits_until_the_alarm(histories: int) -> list[dict[str, object]]:
    """Audits until the alarm, at a promise of 5 %, after none or 1,000 with half of that wrong."""
    rows: list[dict[str, object]] = []
    for times in (1, 2, 3, 4, 8):
        for before in (0, 1000):
            chance = np.random.default_rng(14)
            rang: list[int | None] = []
            for _ in range(histories):
                good = (chance.random(before) < 0.025).tolist()
                at = Alarm(error=0.05, delta=0.05).after(good + (chance.random(2000) < 0.05 * times).tolist()).rang_at
                rang.append(None if at is None else at - before)
            rang.sort(key=lambda at: (at is None, at))
            row: dict[str, object] = {
                "times the error": times,
                "good audits before": before,
                "median": rang[len(rang) // 2],
                "nine of ten": rang[len(rang) * 9 // 10],
                "rang": sum(at is not None for at in rang) / len(rang),
            }
            rows.append(row)
            print(f"  {row}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    worlds = list(synthetic())
    if options.data.is_dir():
        worlds.append(receipts(options.data))
    else:
        print(f"receipts skipped: {options.data} is not there", file=sys.stderr)
    histories = options.histories
    settings = [(world, 500, Fraction(1, 20)) for world in worlds]
    settings += [(worlds[0], 200, Fraction(1, 20)), (worlds[0], 1000, Fraction(1, 50))]
    if options.data.is_dir():
        settings += [(worlds[-1], 100, Fraction(1, 10)), (worlds[-1], 1000, Fraction(1, 20))]
    found: dict[str, object] = {"machine": f"{platform.platform()}, {os.cpu_count()} cores", "histories": histories}
    found["once"] = [simulate(world, count, error, histories) for world, count, error in settings]
    peeking = [worlds[0], worlds[2], *worlds[4:]]
    found["looks"] = [peek(world, 1000, Fraction(1, 20), histories) for world in peeking]
    print("\naudits until the alarm")
    found["alarm"] = audits_until_the_alarm(min(histories, 200))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
