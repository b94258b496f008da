"""Results beside the current ones: a sample before a plan is run, and what becomes of a dry run."""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from blocks.records import Batch
from tasks.backfill.plain import without_prefect
from tasks.backfill.shards import place_of
from tasks.runs.chunk import RunContext
from tasks.runs.pipeline import process_chunks
from tasks.runs.prepare import PreparedRun, handed_over
from tasks.runs.run import Pipeline, Run, open_run


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
    terms = plan.terms
    context = RunContext(
        run_id=str(uuid.uuid4()),
        name=f"sample of {plan.selection}",
        rerun=terms.rerun,
        models=terms.models,
        budget_usd=budget_usd,
        use_cache=terms.use_cache,
        relearn=terms.relearn,
        learned=terms.learned,
        accept_error=terms.accept_error,
    )
    with computed_beside(prepared, pipeline, context, drawn) as beside:
        pairs = result_pairs(prepared.database, beside, drawn)
    return compare(pairs), spent_of(prepared.database, RUN, context.run_id)


@contextmanager
def computed_beside(
    prepared: PreparedRun,
    pipeline: Pipeline,
    context: RunContext,
    document_ids: Sequence[str],
    *,
    as_settled: bool = True,
) -> Iterator[Database]:
    """Compute documents in a database beside the main one, which is deleted after the block.

    The calls of models are in the ledger of the main one. Unless `as_settled`, documents that were settled are asked
    about too: outputs that stand are kept.
    """

    def copy_and_select(run: Run) -> None:
        copy_documents(prepared.database, run.database, document_ids, as_settled=as_settled)
        size, digest = run.settings.chunk_size, run.pipeline_digest
        record_selected(
            run.database, run.run_id, Selection(), rerun=context.rerun, pipeline_digest=digest, chunk_size=size
        )

    with worked_beside(prepared, pipeline, context, Selection(), copy_and_select) as beside:
        yield beside


@contextmanager
def worked_beside(
    prepared: PreparedRun,
    pipeline: Pipeline,
    context: RunContext,
    batch: Batch | Selection,
    make_batch: Callable[[Run], object],
) -> Iterator[Database]:
    """Run a batch in an empty database beside the main one, which is deleted after the block.

    `make_batch` puts the documents into it. The calls of models are in the ledger of the main one.
    """
    name, main = context.run_id.replace("-", ""), prepared.database
    beside = open_beside(main, name)
    try:
        with (
            handed_over(replace(prepared, database=beside, ledger=prepared.ledger or main)),
            open_run(context, batch, without_prefect(pipeline)) as run,
        ):
            make_batch(run)
            process_chunks(run)
        yield beside
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
