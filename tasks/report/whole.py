"""Expectations about a type's results as a whole, at the end of a run, for the types that the run touched."""

from collections.abc import Mapping

from blocks.database.engine import Database
from blocks.database.pipeline import runs
from blocks.database.results.views import view_name
from blocks.document_types.schema import DocumentType
from blocks.records import WholeFinding
from tasks.runs.chunk import RunContext
from tasks.validate.whole import check_whole


def whole_findings(database: Database, run: RunContext, types: Mapping[str, DocumentType]) -> tuple[WholeFinding, ...]:
    """What Great Expectations says of each view that this run wrote to.

    Types whose expectations may turn the run's state are always looked at: an unchanged re-run must not look better.
    """
    members = runs.counts_by_type(database, run.run_id).keys() & types.keys()
    decisive = {name for name in members if any(one.severity == "fail" for one in types[name].expectations)}
    touched = decisive | (runs.types_written(database, run.run_id) & types.keys())
    return tuple(
        finding for name in sorted(touched) for finding in check_whole(database.url, view_name(name), types[name])
    )
