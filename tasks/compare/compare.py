"""Labelled documents by another setting than the one that read them: other types, other models, nothing learnt.

They are read in a database beside the main one, which is deleted afterwards: no result changes. Pages come from the
stored extractions, and readings that the setting would not change are the stored ones.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import combinations

from blocks.backfill.plan import NOTHING, Range, Terms
from blocks.database.engine import Database
from blocks.database.learning.readings import has_pages
from blocks.database.models.budgets import RUN, spent_of
from blocks.database.pipeline.planning import calls_of_type
from blocks.learning.comparison import compare
from blocks.records import Record
from tasks.backfill.beside import computed_beside
from tasks.backfill.costs import costs_of
from tasks.evaluate.evaluate import (
    STORED,
    Evaluated,
    Labelled,
    Pair,
    ReadBeside,
    Readings,
    Types,
    readings_beside,
    stored_readings,
)
from tasks.runs.chunk import RunContext
from tasks.runs.prepare import PreparedRun
from tasks.runs.run import Pipeline


@dataclass(frozen=True, slots=True)
class Setting:
    """Another way to read documents.

    `prepared` has its types, and its `models`, which replace the routes unless they are empty. `learned` are the ids of
    what it uses of what was learnt; None: what is in use. `relearn`: whether documents are read again by that.
    """

    name: str
    prepared: PreparedRun
    learned: tuple[int, ...] | None = None
    relearn: bool = False

    def of(self, database: Database, ledger: Database) -> "Setting":
        """The same for documents of a database beside the main one, which has what was learnt and the calls."""
        return replace(self, prepared=replace(self.prepared, database=database, ledger=ledger))


class Estimate(Record):
    """What a setting may cost. `basis` says in words what it follows from."""

    setting: str
    calls: Range
    cost_usd: Range
    basis: tuple[str, ...]

    @property
    def asks_models(self) -> bool:
        """Whether a model may be called."""
        return self.calls != NOTHING or self.cost_usd != NOTHING


def estimates(settings: Sequence[Setting], labelled: Labelled, ledger: Database) -> tuple[Estimate, ...]:
    """What it may cost to read the documents by each of the settings; nothing is called."""
    counts = Counter(labels[0].document_type for labels in labelled.values())
    scored = {name: (count, count) for name, count in counts.items()}
    found = []
    with ledger.read() as connection:
        calls = partial(calls_of_type, connection)
        for setting in settings:
            prepared, terms = setting.prepared, Terms(models=setting.prepared.models)
            costs = costs_of(calls, prepared.types, prepared.registry, prepared.settings, terms, scored, ())
            asking = [cost for cost in costs if (cost.calls, cost.cost_usd) != (NOTHING, NOTHING)]
            found.append(
                Estimate(
                    setting=setting.name,
                    calls=sum((cost.calls for cost in asking), NOTHING),
                    cost_usd=sum((cost.cost_usd for cost in asking), NOTHING),
                    basis=tuple(f"{cost.document_type}: {cost.basis}" for cost in asking),
                )
            )
    return tuple(found)


def side_by_side(
    database: Database,
    types: Types,
    labelled: Labelled,
    settings: Sequence[Setting],
    pipeline: Pipeline,
    budget_usd: Decimal,
    *,
    use_cache: bool = True,
) -> Evaluated:
    """Read the documents by each of the settings, within one budget for all of them, and compare.

    What is right is decided by today's `types`, so that a setting with other fields cannot be its own judge.
    """
    ledger = next((setting.prepared.ledger for setting in settings), None)
    stored = stored_readings(database, types, labelled, ledger)
    known = {document.document_id for read in stored.by_type.values() for document in read}
    wanted = {id_: labels for id_, labels in labelled.items() if id_ in known}
    readings, others = {STORED: stored}, []
    for setting in settings:
        found, beside = _read(database, types, wanted, setting, pipeline, budget_usd, use_cache=use_cache)
        budget_usd = max(budget_usd - beside.spent_usd, Decimal(0))
        readings[setting.name] = found
        others.append(beside)
    return Evaluated(
        types=stored.evaluations(types),
        unread=stored.unread,
        others=tuple(others),
        pairs=tuple(_pair(types, readings, first, second) for first, second in combinations(readings, 2)),
    )


def _read(
    database: Database,
    types: Types,
    labelled: Labelled,
    setting: Setting,
    pipeline: Pipeline,
    budget_usd: Decimal,
    *,
    use_cache: bool,
) -> tuple[Readings, ReadBeside]:
    with database.read() as connection:
        ids = sorted(has_pages(connection, labelled.keys()))
    prepared = setting.prepared
    ledger = prepared.ledger or prepared.database
    context = RunContext(
        run_id=str(uuid.uuid4()),
        name=f"evaluation of {setting.name}",
        models=prepared.models,
        budget_usd=budget_usd,
        use_cache=use_cache,
        learned=setting.learned,
        relearn=setting.relearn,
    )
    with computed_beside(prepared, pipeline, context, ids, as_settled=False) as beside:
        found = readings_beside(beside, ledger, types, {id_: labelled[id_] for id_ in ids})
    return found, ReadBeside(
        setting=setting.name,
        types=found.evaluations(types),
        without_pages=len(labelled) - len(ids),
        unopened=found.unopened,
        unanswered=found.unanswered,
        spent_usd=spent_of(ledger, RUN, context.run_id),
    )


def _pair(types: Types, readings: Mapping[str, Readings], first: str, second: str) -> Pair:
    one, other = readings[first].by_type, readings[second].by_type
    names = sorted(one.keys() | other.keys())
    return Pair(
        first=first,
        second=second,
        types=tuple(compare(types[name], one.get(name, ()), other.get(name, ())) for name in names),
    )
