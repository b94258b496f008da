"""A plan: what a backfill would do, what it may cost, and the ground that it stands on. A plan is a JSON file."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from blocks.backfill.comparison import Comparison
from blocks.backfill.selection import Selection
from blocks.records import Record, Rerun, Stage

SHOWN_LETTERS = 8
"""So many letters of a version are shown."""


class Terms(Record):
    """How a backfill computes: as the options of a run. `budget_usd` bounds what all its shards cost together.

    `learned` are the ids of what its runs use of what was learnt; None: what is in use when each begins.
    `accept_error`: the error that is promised of accepted rows, in place of the types' own.
    """

    rerun: Rerun = Rerun.STALE
    models: tuple[str, ...] = ()
    budget_usd: Decimal | None = None
    use_cache: bool = True
    reopen: bool = False
    relearn: bool = False
    learned: tuple[int, ...] | None = None
    accept_error: Decimal | None = None


class Ground(Record):
    """What a plan stands on: versions of types, configurations of stages, digests of models, a digest of the rows."""

    types: dict[str, str]
    stages: dict[Stage, str]
    models: dict[str, str]
    rows: str

    def moved(self, today: "Ground", *, with_rows: bool = True) -> tuple[str, ...]:
        """What is not as it was, in words: types, models and settings by name, or else the rows.

        Which rows a plan is about depends on all others, so that they are named only where nothing else has moved.
        """
        moved = [f"type {name}{_versions(self.types, today.types, name)}" for name in _changed(self.types, today.types)]
        moved += [f"model {name}" for name in _changed(self.models, today.models)]
        moved += [f"settings or version of {stage}" for stage in _own_changes(self, today)]
        if with_rows and not moved and self.rows != today.rows:
            moved.append("rows of the selected documents")
        return tuple(moved)


class TypeChange(Record):
    """What changed in a type's files since `documents` rows were computed under an older version of it.

    `diff` is a unified diff of the texts. `has_texts`: whether the older texts are stored; otherwise the diff is of
    the parsed contents, or empty where these are unknown too. `stages` are those that read a part that changed.
    """

    document_type: str
    version: str
    documents: int
    diff: str
    has_texts: bool
    stages: tuple[Stage, ...]


class StageWork(Record):
    """For how many documents a stage runs: `certain`, and `at_most` where earlier stages change their outputs."""

    stage: Stage
    certain: int
    at_most: int


class Range(Record):
    """From `low` to `high`; None: not known."""

    low: Decimal
    high: Decimal | None

    def __add__(self, other: "Range") -> "Range":
        high = None if self.high is None or other.high is None else self.high + other.high
        return Range(low=self.low + other.low, high=high)


NOTHING = Range(low=Decimal(0), high=Decimal(0))


class TypeCost(Record):
    """What scoring the documents of a type may cost. `basis` says in words what the range follows from."""

    document_type: str
    certain: int
    at_most: int
    calls: Range
    cost_usd: Range
    basis: str


class Plan(Record):
    """What a backfill of `selection` under `terms` would do.

    Of `selected` documents, `documents` have work; people decided `decided` others, which stay as they are, and
    `failed` ones failed for good, or could not be read at their source. `open_items` are open review items that may be
    replaced. `sample` compares the results of some documents.
    """

    made_at: datetime
    selection: Selection
    terms: Terms
    selected: int
    documents: int
    decided: int
    failed: int
    open_items: int
    by_type: dict[str, int]
    changes: tuple[TypeChange, ...]
    stages: tuple[StageWork, ...]
    costs: tuple[TypeCost, ...]
    seconds: Range
    ground: Ground
    sample: Comparison | None = None

    @property
    def plan_id(self) -> str:
        """SHA-256 of what is asked and of the ground: two plans with the same id do the same."""
        asked = (self.selection.model_dump_json(), self.terms.model_dump_json(), self.ground.model_dump_json())
        return hashlib.sha256("\n".join(asked).encode()).hexdigest()

    @property
    def calls(self) -> Range:
        """Calls of language models, of all types."""
        return sum((cost.calls for cost in self.costs), NOTHING)

    @property
    def cost_usd(self) -> Range:
        """What the calls cost, of all types. The budget may stop them before."""
        return sum((cost.cost_usd for cost in self.costs), NOTHING)

    def work_of(self, stage: Stage) -> StageWork:
        """For how many documents a stage runs."""
        return next(work for work in self.stages if work.stage is stage)


def _versions(then: dict[str, str], now: dict[str, str], name: str) -> str:
    """Both versions of a type, for the end of its name."""
    planned, today = (versions[name][:SHOWN_LETTERS] if name in versions else "missing" for versions in (then, now))
    return f" (planned {planned}, here {today})"


def _changed(then: dict[str, str], now: dict[str, str]) -> list[str]:
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))


def _own_changes(then: Ground, now: Ground) -> Iterator[Stage]:
    """Stages whose configuration changed although no type and no model did."""
    explained = then.types != now.types or then.models != now.models
    for stage in then.stages.keys() | now.stages.keys():
        if then.stages.get(stage) != now.stages.get(stage) and (stage is Stage.EXTRACT or not explained):
            yield stage
