"""What `winnow evaluate --against` measures on: the database's labels, files of labels, or a folder of documents."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.errors import UsageError
from deployments.cli.output import note
from deployments.cli.run_models import budget_of
from deployments.cli.words import counted, money

if TYPE_CHECKING:
    from blocks.database.engine import Database
    from blocks.database.learning.imports import RefusedRow
    from tasks.evaluate.evaluate import Labelled, Types
    from tasks.runs.prepare import PreparedRun

LABELS = "labels"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Truth:
    """Labelled documents and the database that has their readings.

    `ledger` is the one with the calls of models, where it is another. `budget` is what is left of --budget.
    """

    database: "Database"
    labelled: "Labelled"
    budget: str | None
    teaching: int = 0
    ledger: "Database | None" = None


@contextmanager
def truth_of(
    against: str, database: "Database", types: "Types", wanted: str | None, budget: str | None, *, use_cache: bool
) -> Iterator[Truth]:
    """What is measured. Raises `UsageError`, `LabelFileInvalid`, and as `prepare_run`."""
    if against == LABELS:
        from tasks.evaluate.evaluate import labelled_documents

        labelled, teaching = labelled_documents(database, types, wanted)
        yield Truth(database, labelled, budget, teaching)
        return
    from tasks.compare.truth import truth_files

    path = Path(against)
    if not path.exists():
        raise UsageError(f"--against: there is no {path}; give {LABELS}, a file of labels, or a folder with one")
    files, documents = truth_files(path)
    if not files:
        raise UsageError(
            f"--against: {path} has no file of labels: csv or jsonl with the columns uri (or document_id), field and "
            "value, as winnow labels import reads it"
        )
    if not documents:
        yield Truth(database, _labelled(database, types, files, wanted, is_given=False), budget)
        return
    with _read(database, types, documents, budget, use_cache=use_cache) as (beside, left):
        labelled = _labelled(beside, types, files, wanted, is_given=True)
        yield Truth(beside, labelled, left, ledger=database)


@contextmanager
def _read(
    database: "Database", types: "Types", documents: Sequence[Path], budget: str | None, *, use_cache: bool
) -> "Iterator[tuple[Database, str | None]]":
    """A database beside the main one in which the documents were read, and what is left of the budget."""
    from blocks.database.models.budgets import RUN, spent_of
    from tasks.compare.truth import documents_read
    from tasks.runs.prepare import prepare_run
    from tasks.stages import PIPELINE

    prepared = prepare_run(types, (), with_blocks=False)
    budget_usd = budget_of(budget)
    if budget_usd is None and _asks_models(prepared):
        raise UsageError("the types' routes may ask models: say with --budget what they may cost in USD")
    note(f"reading {counted(len(documents), 'file')} beside what is stored")
    with documents_read(prepared, PIPELINE, documents, budget_usd or Decimal(0), use_cache=use_cache) as (beside, run):
        spent = spent_of(database, RUN, run)
        if spent:
            note(f"its calls cost {money(spent)} USD")
        yield beside, None if budget_usd is None else f"{max(budget_usd - spent, Decimal(0)):f}"


def _asks_models(prepared: "PreparedRun") -> bool:
    from blocks.gateway.routing.plan import asks_models, plan_route

    return any(asks_models(plan_route(each, prepared.registry)) for each in prepared.types.values())


def _labelled(
    database: "Database", types: "Types", files: Sequence[Path], wanted: str | None, *, is_given: bool
) -> "Labelled":
    from tasks.compare.truth import labels_in

    labelled, refused = labels_in(database, types, files, wanted, is_given=is_given)
    for line in _refused_lines(refused):
        note(line)
    if not labelled:
        of_type = "" if wanted is None else f" of type {wanted}"
        raise UsageError(f"--against: no row is the label of a known document{of_type}")
    return labelled


def _refused_lines(refused: "Sequence[RefusedRow]") -> Iterator[str]:
    for row in refused[:SHOWN]:
        yield f"line {row.line} is no label: {row.place} {row.field}: {row.why}"
    if len(refused) > SHOWN:
        yield f"and {len(refused) - SHOWN:,} more rows"
