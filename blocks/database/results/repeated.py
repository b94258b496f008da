"""Documents whose results are equal where a document type expects them to differ: the same invoice, sent again."""

from collections.abc import Sequence

from sqlalchemy import and_, column, func, select, table

from blocks.database.engine import Database
from blocks.database.pipeline.sources import uris_of
from blocks.database.results.views import view_name
from blocks.database.tables import run_documents
from blocks.records import Status


def repeated_results(
    database: Database, run_id: str, document_type: str, columns: Sequence[str], limit: int
) -> list[tuple[str, ...]]:
    """The places of documents whose values in `columns` of the type's view are equal: a tuple per group, sorted.

    A document has its latest place. Only groups with a document of the run count, at most `limit` of them. Rows with a
    null in one of the columns, and rejected ones, count as different.
    """
    view = table(view_name(document_type), *map(column, ("document_id", "status", *columns)))
    values = [view.c[name] for name in columns]
    usable = and_(view.c.status != Status.REJECTED, *(value.is_not(None) for value in values))
    members = select(run_documents.c.document_id).where(run_documents.c.run_id == run_id)
    groups = (
        select(*values)
        .where(usable)
        .group_by(*values)
        .having(func.count() > 1, func.count().filter(view.c.document_id.in_(members)) > 0)
        .order_by(*values)
        .limit(limit)
        .subquery()
    )
    equal = and_(*(view.c[name] == groups.c[name] for name in columns))
    query = select(view.c.document_id, *values).join(groups, equal).where(usable)
    with database.read() as connection:
        found: dict[tuple[object, ...], list[str]] = {}
        for document_id, *key in connection.execute(query):
            found.setdefault(tuple(key), []).append(document_id)
        uris = uris_of(connection, sorted(id_ for ids in found.values() for id_ in ids))
    return sorted(tuple(sorted(uris[id_][0] for id_ in ids)) for ids in found.values())
