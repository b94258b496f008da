"""The options of `winnow backfill` that say which documents, and how they are computed."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from blocks.errors import UsageError
from blocks.records import Rerun, ResultStatus
from deployments.cli.options import MOST, TypeOption

if TYPE_CHECKING:
    from blocks.backfill.selection import Selection

__all__ = ["TypeOption"]

StatusOption = Annotated[ResultStatus | None, typer.Option("--status", metavar="S", help="only of this status")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="R", help="only results with this reason: its code, or all of it")
]
KindOption = Annotated[
    str | None, typer.Option("--failure-kind", metavar="KIND", help="only documents with an open failure of this kind")
]
SourceOption = Annotated[
    str | None, typer.Option("--source", metavar="S", help="only documents of this file or URL, or below this folder")
]
SeenFromOption = Annotated[
    datetime | None, typer.Option("--seen-from", metavar="TIME", help="only documents first seen then or later, UTC")
]
SeenBeforeOption = Annotated[
    datetime | None, typer.Option("--seen-before", metavar="TIME", help="only documents first seen before then, UTC")
]
RunOption = Annotated[str | None, typer.Option("--run", metavar="ID", help="only documents of this run")]
LeastOption = Annotated[
    float | None, typer.Option("--confidence-from", min=0, max=1, help="only results of at least this confidence")
]
BelowOption = Annotated[
    float | None, typer.Option("--confidence-below", min=0, max=1, help="only results of a lower confidence")
]
AskedOption = Annotated[
    str | None, typer.Option("--asked", metavar="MODEL", help="only documents that this model was asked about")
]
StaleOption = Annotated[
    bool, typer.Option("--stale", help="only documents that are not settled under today's types and settings")
]
ReclassifiedOption = Annotated[
    bool, typer.Option("--reclassified", help="only documents that a person gave another type that no run has read yet")
]
LimitOption = Annotated[int | None, typer.Option(min=1, max=MOST, help="at most so many documents, the newest first")]
RerunOption = Annotated[
    Rerun,
    typer.Option(help="stale: what has no output under today's types and settings; failed: failures too; all: all"),
]
ModelOption = Annotated[
    list[str] | None, typer.Option("--model", metavar="NAME[,NAME...]", help="call these models instead of the routes")
]
BudgetOption = Annotated[
    str | None, typer.Option(metavar="USD", help="what models may cost in all; by default WINNOW_BUDGET_PER_RUN_USD")
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="call models again instead of using stored replies")]
ReopenOption = Annotated[
    bool, typer.Option("--reopen", help="replace decisions of people by today's results, and review them again")
]
RelearnOption = Annotated[
    bool, typer.Option("--relearn", help="read documents again by what was learnt from people's decisions since")
]


def selection_of(source: str | None, **given: object) -> "Selection":
    """The selection that the options ask for. Raises `UsageError`."""
    from blocks.backfill.selection import Selection
    from blocks.files.sources import uri_of

    try:
        return Selection.model_validate({"source": None if source is None else uri_of(source), **given})
    except ValidationError as error:
        raise UsageError(error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")) from None


def budget_in_all(option: str | None, default: Decimal) -> Decimal:
    """The budget of a backfill in USD. Raises `UsageError`."""
    from deployments.cli.run_models import budget_of

    budget = budget_of(option)
    return default if budget is None else budget
