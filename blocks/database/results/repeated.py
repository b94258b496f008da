"""Documents whose results are equal where a document type expects them to differ: the same invoice, sent again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, column, func, select, table

from blocks.database.engine import Database
from blocks.database.pipeline.sources import uris_of
from blocks.database.results.views import view_name
from blocks.database.tables import run_documents
from blocks.records import Status


@dataclass(frozen=True, slots=True)
class Group:
    """Documents with equal values: how many there are, and the places of the first of them, sorted."""

    documents: int
    uris: tuple[str, ...]


def repeated_results(
    database: Database, run_id: str, document_type: str, columns: Sequence[str], max_groups: int, max_named: int
) -> list[Group]:
    """The documents whose values in `columns` of the type's view are equal, in groups sorted by their places.

    A document has its latest place. Only groups with a document of the run count, at most `max_groups` of them, with
    the places of `max_named` documents each, those of the run first. Rows with a null in one of the columns, and
    rejected ones, count as different.
    """
    view = table(view_name(document_type), *map(column, ("document_id", "status", *columns)))
    values = [view.c[name] for name in columns]
    usable = and_(view.c.status != Status.REJECTED, *(value.is_not(None) for value in values))
    members = select(run_documents.c.document_id).where(run_documents.c.run_id == run_id)
    is_member = view.c.document_id.in_(members)
    groups = (
        select(*values, func.count().label("winnow_documents"))
        .where(usable)
        .group_by(*values)
        .having(func.count() > 1, func.count().filter(is_member) > 0)
        .order_by(*values)
        .limit(max_groups)
        .subquery()
    )
    equal = and_(*(view.c[name] == groups.c[name] for name in columns))
    place = func.row_number().over(partition_by=values, order_by=(case((is_member, 0), else_=1), view.c.document_id))
    ranked = (
        select(view.c.document_id, groups.c.winnow_documents, place.label("winnow_place"), *values)
        .join(groups, equal)
        .where(usable)
        .subquery()
    )
    named = [ranked.c.document_id, ranked.c.winnow_documents, *(ranked.c[name] for name in columns)]
    query = select(*named).where(ranked.c.winnow_place <= max_named)
    with database.read() as connection:
        found: dict[tuple[object, ...], list[str]] = {}
        for document_id, *key in connection.execute(query):
            found.setdefault(tuple(key), []).append(document_id)
        uris = uris_of(connection, sorted(id_ for ids in found.values() for id_ in ids))
    named_groups = (Group(int(str(key[0])), tuple(sorted(uris[id_][0] for id_ in ids))) for key, ids in found.items())
    return sorted(named_groups, key=lambda group: group.uris)
