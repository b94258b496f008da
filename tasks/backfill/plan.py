"""Makes a plan. It reads, computes nothing of a document, and spends nothing."""

import gc
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from blocks.backfill.plan import Ground, Plan, StageWork, Terms, TypeChange
from blocks.backfill.selection import Selection
from blocks.backfill.type_diff import diff_of_contents, diff_of_texts, stages_touched
from blocks.database.engine import now
from blocks.database.pipeline import planning
from blocks.database.pipeline.documents import FAILED
from blocks.database.pipeline.planning import OutputKey, SelectedDocument
from blocks.document_types.loader import texts_of
from blocks.gateway.registry.registry import RegistryState
from blocks.records import OUTPUT_STAGES, UNKNOWN_TYPE, Stage
from tasks.backfill.costs import costs_of, seconds_of
from tasks.backfill.work import work_of
from tasks.runs.frame import digest_of
from tasks.runs.run import Run

READ_AT_ONCE = 5_000
"""Documents whose outputs are in memory at once: about 30 MB."""
TIMED_DOCUMENTS = 300
"""So many documents' durations are averaged."""


@dataclass(slots=True)
class Tally:
    """What the documents of a plan add up to."""

    certain: Counter[tuple[str, Stage]] = field(default_factory=Counter)
    possible: Counter[tuple[str, Stage]] = field(default_factory=Counter)
    by_type: Counter[str] = field(default_factory=Counter)
    used: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Results by type and run."""
    open_items: int = 0
    document_ids: list[str] = field(default_factory=list)

    def stage_work(self, stage: Stage) -> StageWork:
        """For how many documents a stage runs."""
        certain, possible = (
            sum(number for (_, name), number in counts.items() if name is stage)
            for counts in (self.certain, self.possible)
        )
        return StageWork(stage=stage, certain=certain, at_most=certain + possible)


def make_plan(run: Run, registry: RegistryState, selection: Selection, terms: Terms) -> Plan:
    """The plan of a backfill. `run` is open for reading only: its stages are asked for fingerprints."""
    return plan_with_documents(run, registry, selection, terms)[0]


def plan_with_documents(
    run: Run, registry: RegistryState, selection: Selection, terms: Terms
) -> tuple[Plan, Sequence[str]]:
    """As `make_plan`, with the ids of the documents that have work, the newest first."""
    with _without_collections(), run.database.snapshot() as connection:
        selected = planning.selected_documents(connection, selection, terms, run.pipeline_digest)
        computed = [one for one in selected if one.outcome is None and (terms.reopen or not one.is_decided)]
        tally, rows = Tally(), hashlib.sha256()
        remaining = iter(computed)
        while batch := list(islice(remaining, READ_AT_ONCE)):
            outputs = planning.output_keys(connection, [document.document_id for document in batch])
            for document in batch:
                _count(tally, document, outputs.get(document.document_id, ()), run)
            rows.update(_written(batch, outputs))
        changes = _changes(run, planning.versions_of_runs(connection, {run_id for _, run_id in tally.used}), tally.used)
        versions = planning.stored_types(connection, {version for _, version in changes})
        durations = planning.mean_durations_ms(connection, tally.document_ids[:TIMED_DOCUMENTS])
        described = tuple(_change(run, *key, number, versions) for key, number in sorted(changes.items()))
        ledger = partial(planning.calls_of_type, connection)
        costs = costs_of(ledger, run.types, registry, run.settings, terms, _scored(tally), described)
    stages = tuple(tally.stage_work(stage) for stage in OUTPUT_STAGES)
    plan = Plan(
        made_at=now(),
        selection=selection,
        terms=terms.model_copy(update={"learned": run.context.learned}),
        selected=len(selected),
        documents=len(tally.document_ids),
        decided=sum(document.is_decided for document in selected),
        failed=sum(document.outcome == FAILED for document in selected),
        open_items=tally.open_items,
        by_type=dict(sorted(tally.by_type.items())),
        changes=described,
        stages=stages,
        costs=costs,
        seconds=seconds_of(stages, durations, run.settings, asks_models=any(cost.calls.high != 0 for cost in costs)),
        ground=ground_of(run, registry, rows.hexdigest()),
    )
    return plan, tally.document_ids


@contextmanager
def _without_collections() -> Iterator[None]:
    """Without the garbage collector, which a plan's hundred thousands of rows would set to work again and again.

    They have no cycles. It took a third of a plan's time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def ground_of(run: Run, registry: RegistryState, rows: str) -> Ground:
    """What a plan stands on today. Limits of models and their order count nowhere; their prices do."""
    models = {
        model.name: digest_of(model.digest, str(model.is_enabled), str(model.input_price), str(model.output_price))
        for model in registry.models
        if model.was_enabled
    }
    return Ground(
        types={name: document_type.version for name, document_type in run.types.items()},
        stages={stage: work.configuration for stage, work in run.works.items()},
        models=models,
        rows=rows,
    )


def _count(tally: Tally, document: SelectedDocument, outputs: Sequence[OutputKey], run: Run) -> None:
    work = work_of(document, outputs, run.works, run.context.rerun)
    type_ = document.document_type or UNKNOWN_TYPE
    if document.result_type and document.result_run:
        tally.used[document.result_type, document.result_run] += 1
    if not work.certain and not work.possible and not document.is_decided:
        return
    tally.document_ids.append(document.document_id)
    tally.by_type[type_] += 1
    tally.open_items += document.has_open_item
    for stage in work.certain:
        tally.certain[type_, stage] += 1
    for stage in work.possible:
        tally.possible[type_, stage] += 1


def _scored(tally: Tally) -> dict[str, tuple[int, int]]:
    """By type for how many documents score runs, for certain and at most."""
    types = {name for name, stage in (tally.certain.keys() | tally.possible.keys()) if stage is Stage.SCORE}
    return {
        name: (
            tally.certain[name, Stage.SCORE],
            tally.certain[name, Stage.SCORE] + tally.possible[name, Stage.SCORE],
        )
        for name in sorted(types)
    }


def _written(batch: Sequence[SelectedDocument], outputs: Mapping[str, Sequence[OutputKey]]) -> bytes:
    """What a plan depends on in the rows of these documents."""
    lines = [
        f"{document.document_id} {document.is_decided} {document.given_type} "
        + " ".join(sorted(f"{row.fingerprint}{row.state}{row.is_current}" for row in outputs.get(document[0], ())))
        for document in batch
    ]
    return "\n".join(lines).encode()


def _changes(
    run: Run, versions: Mapping[str, Mapping[str, str]], used: Mapping[tuple[str, str], int]
) -> Counter[tuple[str, str]]:
    """How many results were computed under another version than today's, by type and version."""
    changes: Counter[tuple[str, str]] = Counter()
    for (type_, run_id), number in used.items():
        version = versions.get(run_id, {}).get(type_, "")
        if type_ in run.types and version != run.types[type_].version:
            changes[type_, version] += number
    return changes


def _change(run: Run, name: str, version: str, number: int, stored: Mapping[str, planning.StoredType]) -> TypeChange:
    """What changed in a type since a version. Nothing is known of a version that no run has stored."""
    today, before = run.types[name], stored.get(version)
    texts = texts_of(today)
    has_texts = before is not None and before.files is not None and texts is not None
    if before is None:
        diff = ""
    elif before.files is not None and texts is not None:
        diff = diff_of_texts(before.files, texts)
    else:
        diff = diff_of_contents(before.content, today)
    touched = stages_touched(before.content, today) if before is not None else tuple(OUTPUT_STAGES[1:])
    return TypeChange(
        document_type=name, version=version, documents=number, diff=diff, has_texts=has_texts, stages=touched
    )
