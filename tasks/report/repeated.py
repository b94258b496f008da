"""Documents whose values are equal where their type wants them to differ: the same invoice, sent again."""

from collections.abc import Mapping

from blocks.database.engine import Database
from blocks.database.results.repeated import Group, repeated_results
from blocks.document_types.expectations import VIEW_COLUMNS, column_in_view, columns_of, wants_uniqueness
from blocks.document_types.schema import DocumentType, FieldType
from blocks.records import Record
from tasks.runs.chunk import RunContext
from tasks.validate.type_expectations import TypeFinding

MAX_REPEATED = 20
"""So many groups of documents with equal values are named per expectation."""
MAX_NAMED = 5
"""So many documents of a group are named."""


class Repeated(Record):
    """Documents with equal values where their type's expectation `name` wants them to differ.

    `documents` is how many there are, `uris` are the places of the first of them.
    """

    document_type: str
    name: str
    documents: int
    uris: tuple[str, ...]

    def shown_uris(self) -> str:
        """The places, and how many more there are."""
        more = self.documents - len(self.uris)
        return ", ".join(self.uris) + (f" and {more:,} more" if more > 0 else "")


def repeated_documents(
    database: Database, run: RunContext, types: Mapping[str, DocumentType], findings: tuple[TypeFinding, ...]
) -> tuple[Repeated, ...]:
    """The documents that break an expectation of uniqueness, where one of them is of this run."""
    broken = {(finding.document_type, finding.name) for finding in findings if not finding.success}
    return tuple(
        Repeated(document_type=name, name=expectation.name, documents=group.documents, uris=group.uris)
        for name, document_type in sorted(types.items())
        for expectation in document_type.expectations
        if (name, expectation.name) in broken and wants_uniqueness(expectation)
        for group in _repeated(database, run, document_type, columns_of(expectation))
    )


def _repeated(database: Database, run: RunContext, document_type: DocumentType, names: tuple[str, ...]) -> list[Group]:
    fields = document_type.fields
    lists = {name for name, field in fields.items() if field.type in {FieldType.LIST, FieldType.TABLE}}
    if (
        not {*names} <= {*fields, *VIEW_COLUMNS} - lists
    ):  # a mistake that the finding names, or lists, which no SQL compares
        return []
    columns = [column_in_view(name) if name in fields else name for name in names]
    return repeated_results(database, run.run_id, document_type.name, columns, MAX_REPEATED, MAX_NAMED)
