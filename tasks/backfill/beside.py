"""Results beside the current ones: a sample before a plan is run, and what becomes of a dry run."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice

from blocks.backfill.comparison import Comparison, compare
from blocks.backfill.errors import WrongState
from blocks.backfill.plan import Plan
from blocks.backfill.selection import Selection
from blocks.database.beside import copy_documents, copy_outputs_back, drop_beside, open_beside, result_pairs
from blocks.database.engine import Database
from blocks.database.models.budgets import RUN, spent_of
from blocks.database.pipeline import backfills
from blocks.database.pipeline.backfills import Backfill, BackfillState
from blocks.database.pipeline.selected import record_selected
from tasks.backfill.plain import without_prefect
from tasks.backfill.shards import place_of
from tasks.runs.chunk import RunContext
from tasks.runs.pipeline import process_chunks
from tasks.runs.prepare import PreparedRun, handed_over
from tasks.runs.run import Pipeline, open_run


def compute_sample(
    prepared: PreparedRun,
    pipeline: Pipeline,
    plan: Plan,
    document_ids: Sequence[str],
    number: int,
    budget_usd: Decimal,
) -> tuple[Comparison, Decimal]:
    """Compute some of a plan's documents beside the current rows, compare, and forget them; what it cost in USD.

    The documents are drawn by a hash, so that the same plan draws the same. The calls are in the ledger.
    """
    drawn = sorted(document_ids, key=lambda id_: hashlib.sha256(f"{plan.plan_id} {id_}".encode()).digest())[:number]
    run_id = str(uuid.uuid4())
    name, main = run_id.replace("-", ""), prepared.database
    terms = plan.terms
    context = RunContext(
        run_id=run_id,
        name=f"sample of {plan.selection}",
        rerun=terms.rerun,
        models=terms.models,
        budget_usd=budget_usd,
        use_cache=terms.use_cache,
        relearn=terms.relearn,
        learned=terms.learned,
    )
    beside = open_beside(main, name)
    try:
        copy_documents(main, beside, drawn)
        with (
            handed_over(replace(prepared, database=beside, ledger=main)),
            open_run(context, plan.selection, without_prefect(pipeline)) as run,
        ):
            size, digest = run.settings.chunk_size, run.pipeline_digest
            record_selected(beside, run_id, Selection(), rerun=terms.rerun, pipeline_digest=digest, chunk_size=size)
            process_chunks(run)
        return compare(result_pairs(main, beside, drawn)), spent_of(main, RUN, run_id)
    finally:
        drop_beside(main, name)


def compare_dry_run(database: Database, backfill: Backfill) -> Comparison:
    """The results of a dry run against those in force."""
    beside = place_of(database, checked(backfill))
    remaining = iter(backfills.document_ids_of(beside, backfill.backfill_id))
    pairs = []
    while ids := list(islice(remaining, backfills.INSERT_AT_ONCE)):
        pairs += result_pairs(database, beside, ids)
    return compare(pairs)


def bring_outputs(database: Database, backfill: Backfill) -> None:
    """Copy the outputs of a dry run into the main database, where the backfill that promotes it finds them."""
    beside = place_of(database, checked(backfill))
    copy_outputs_back(beside, database, backfills.document_ids_of(beside, backfill.backfill_id))


def end_dry_run(database: Database, backfill: Backfill, state: BackfillState) -> None:
    """Delete what a dry run computed, after it was promoted or to discard it."""
    if not backfill.is_dry_run or backfill.state in {BackfillState.PROMOTED, BackfillState.DISCARDED}:
        raise WrongState(backfill.backfill_id, backfill.state, "nothing of it is kept beside the current rows")
    drop_beside(database, backfill.backfill_id)
    backfills.set_state(database, backfill.backfill_id, state)


def checked(backfill: Backfill) -> Backfill:
    """Raise `WrongState` for anything but a dry run that was computed."""
    if not backfill.is_dry_run or backfill.state is not BackfillState.COMPUTED:
        raise WrongState(backfill.backfill_id, backfill.state, "only a dry run that was computed has rows beside")
    return backfill
