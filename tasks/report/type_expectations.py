"""Expectations about all results of a type, checked at the end of a run for the types whose results it wrote."""

from collections.abc import Mapping

from blocks.database.clock import server_start
from blocks.database.engine import Database
from blocks.database.pipeline import runs
from blocks.database.results.views import view_name
from blocks.document_types.schema import DocumentType
from tasks.runs.chunk import RunContext
from tasks.validate.type_expectations import TypeFinding, check_results


def type_findings(database: Database, run: RunContext, types: Mapping[str, DocumentType]) -> tuple[TypeFinding, ...]:
    """The findings of Great Expectations over the view of each type whose results this run wrote.

    Types of the batch whose expectations can fail the run are always checked: a run that changes nothing must fail too.
    They are checked again if the database was restarted meanwhile: the library calls that a broken expectation.
    """
    members = runs.counts_by_type(database, run.run_id).keys() & types.keys()
    decisive = {
        name for name in members if any(expectation.severity == "fail" for expectation in types[name].expectations)
    }
    url = database.url.get_secret_value()
    touched = decisive | (runs.types_written(database, run.run_id) & types.keys())
    while True:
        started = server_start(database)
        findings = tuple(
            finding for name in sorted(touched) for finding in check_results(url, view_name(name), types[name])
        )
        if server_start(database) == started:
            return findings
