"""SQL views for people: a view per document type with a typed column per field, a view per list or table field, the
review queue, the fields of its items, and the confidence of every field.

A value without its field's form is null, so that no query over the view fails; a result of an older version of the type
may hold such a value. On SQLite, which has no decimal type, money is a binary float in the views; `results.fields` has
the exact text.
"""

import hashlib
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.exc import InternalError

from blocks.database.engine import Database
from blocks.database.errors import ViewInUse
from blocks.database.outages import survives_outages
from blocks.database.review.roles import set_rights
from blocks.database.tables import views
from blocks.document_types.expectations import VIEW_COLUMNS, column_in_view
from blocks.document_types.schema import DocumentField, DocumentType, FieldType

QUEUE = "review_queue"
ITEMS = "review_items"
CONFIDENCES = "field_confidences"

_MAX_NAME_BYTES = 63  # PostgreSQL cuts longer names off, https://www.postgresql.org/docs/current/limits.html

_URI = "(SELECT s.uri FROM sources s WHERE s.document_id = r.document_id ORDER BY s.seen_at DESC, s.uri LIMIT 1)"

_QUEUE = f"""
SELECT r.review_id, r.version, r.document_id, {_URI} AS uri, r.document_type, r.kind, r.role, r.priority, r.due_at,
       r.confidence, r.reasons, CASE WHEN r.claim_expires_at > CURRENT_TIMESTAMP THEN r.claimed_by END AS claimed_by,
       r.created_at, r.run_id, CASE WHEN NOT r.is_blind THEN v.fields END AS fields
FROM review r
LEFT JOIN results v ON v.document_id = r.document_id AND v.fingerprint = r.fingerprint
WHERE r.status = 'open'
ORDER BY r.priority, r.due_at IS NULL, r.due_at, r.confidence, r.review_id
"""

_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
_INTEGER = r"^-?[0-9]{1,18}$"
_DATE = r"^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


def view_name(document_type: str) -> str:
    """The name of a type's view."""
    return _name(f"results_{document_type}", ())


@survives_outages
def create_views(database: Database, types: Mapping[str, DocumentType]) -> None:
    """Create the views of these types and the review queue. A view is replaced only when its fields have changed.

    Raises `ViewInUse` where a view that must be replaced is used by a view that is not Winnow's.
    """
    wanted = {
        QUEUE: _QUEUE,
        ITEMS: _open_fields_view(database.is_sqlite),
        CONFIDENCES: _confidences_view(database.is_sqlite),
    }
    for type_ in types.values():
        wanted[view_name(type_.name)] = _type_view(database.is_sqlite, type_)
    for type_ in types.values():
        for field_name, field in type_.fields.items():
            if field.type in {FieldType.LIST, FieldType.TABLE}:
                name = _name(f"results_{type_.name}_{field_name}", wanted)
                wanted[name] = _items_view(database.is_sqlite, type_.name, field_name, field)
    with database.read() as connection:
        known = _known(connection)
    digests = {name: hashlib.sha256(body.encode()).hexdigest() for name, body in wanted.items()}
    if digests.items() <= known.items():
        return
    with database.write() as connection:
        if not database.is_sqlite:  # two runs may start at once
            connection.execute(text("LOCK TABLE views IN EXCLUSIVE MODE"))
        known = _known(connection)
        for name, body in wanted.items():
            if known.get(name) != digests[name]:
                _replace(database, connection, name, body)
                connection.execute(delete(views).where(views.c.name == name))
                connection.execute(views.insert(), {"name": name, "digest": digests[name]})
        set_rights(connection)


def _known(connection: Connection) -> dict[str, str]:
    return dict(connection.execute(select(views.c.name, views.c.digest)).tuples().all())


def _replace(database: Database, connection: Connection, name: str, body: str) -> None:
    try:
        connection.exec_driver_sql(_escaped(database, f"DROP VIEW IF EXISTS {_identifier(name)}"))
    except InternalError as error:  # PostgreSQL refuses where objects depend on the view; SQLite leaves them broken
        raise ViewInUse(name, " ".join(str(error.orig).split())) from error
    connection.exec_driver_sql(_escaped(database, f"CREATE VIEW {_identifier(name)} AS {body}"))


def _escaped(database: Database, statement: str) -> str:
    """psycopg reads a percent sign as a parameter."""
    return statement if database.is_sqlite else statement.replace("%", "%%")


def _type_view(is_sqlite: bool, type_: DocumentType) -> str:
    own = [f"{_URI} AS uri" if name == "uri" else f"r.{name}" for name in VIEW_COLUMNS]
    columns = [*own, *_columns(is_sqlite, type_.fields, "r.fields", VIEW_COLUMNS)]
    return (
        f"SELECT {', '.join(columns)}\nFROM results r\nWHERE r.is_current AND r.document_type = {_literal(type_.name)}"
    )


def _confidences_view(is_sqlite: bool) -> str:
    """A row per field of every current result."""
    if is_sqlite:
        source, confidence = "json_each(r.confidences) item", "CAST(item.value AS REAL)"
    else:
        source, confidence = "json_each_text(r.confidences) item", "CAST(item.value AS double precision)"
    columns = f"r.document_id, r.document_type, r.status, item.key AS field, {confidence} AS confidence"
    return f"SELECT {columns}\nFROM results r, {source}\nWHERE r.is_current"


def _open_fields_view(is_sqlite: bool) -> str:
    """A row per field of every open item whose values may be seen before the decision."""
    if is_sqlite:
        path = "'$.\"' || item.key || '\"'"
        source, value = "json_each(v.fields) item", "CAST(item.value AS TEXT)"
        confidence = f"json_extract(v.confidences, {path})"
        page, quote = (f"json_extract(v.evidence, {path} || '[0].{name}')" for name in ("page", "quote"))
    else:
        source, value = "json_each_text(v.fields) item", "item.value"
        confidence = "CAST(v.confidences ->> item.key AS double precision)"
        evidence = "(v.evidence -> item.key -> 0)"
        page, quote = f"CAST({evidence} ->> 'page' AS integer)", f"{evidence} ->> 'quote'"
    return f"""
SELECT r.review_id, r.version, r.document_id, {_URI} AS uri, r.document_type, r.priority, r.due_at,
       item.key AS field, {value} AS value, {confidence} AS confidence, {page} AS page, {quote} AS quote
FROM review r
JOIN results v ON v.document_id = r.document_id AND v.fingerprint = r.fingerprint, {source}
WHERE r.status = 'open' AND NOT r.is_blind
"""


def _items_view(is_sqlite: bool, type_name: str, field_name: str, field: DocumentField) -> str:
    """A row per item of a list or table field; `position` counts from 1."""
    own = ["r.document_id", f"{_URI} AS uri", "r.status"]
    if is_sqlite:
        source = f"json_each(r.fields, {_path(field_name)}) item"
        is_list = f" AND json_type(r.fields, {_path(field_name)}) = 'array'"
        position, plain = "item.key + 1", "item.value"
        item = "CASE WHEN item.type = 'object' THEN item.value END"
    else:
        value = f"r.fields -> {_literal(field_name)}"
        array = f"CASE WHEN json_typeof({value}) = 'array' THEN {value} ELSE '[]'::json END"
        source = f"json_array_elements({array}) WITH ORDINALITY AS item(value, number)"
        is_list, position, item, plain = "", "item.number", "item.value", "item.value #>> '{}'"
    if field.type is FieldType.TABLE:
        values = list(_columns(is_sqlite, field.columns, item, ("document_id", "uri", "status", "position")))
    else:
        values = [f"{plain} AS value"]
    columns = ", ".join([*own, f"{position} AS position", *values])
    where = f"WHERE r.is_current AND r.document_type = {_literal(type_name)}{is_list}"
    return f"SELECT {columns}\nFROM results r, {source}\n{where}"


def _columns(is_sqlite: bool, fields: Mapping[str, DocumentField], json: str, taken: tuple[str, ...]) -> Iterator[str]:
    names = list(taken)
    for field_name, field in fields.items():
        name = _name(column_in_view(field_name, taken), {name.lower() for name in names})
        names.append(name)
        typed = _sqlite_value if is_sqlite else _postgresql_value
        yield f"{typed(json, field_name, field.type)} AS {_identifier(name)}"


def _sqlite_value(json: str, field_name: str, field_type: FieldType) -> str:
    value = f"json_extract({json}, {_path(field_name)})"
    match field_type:
        case FieldType.MONEY | FieldType.NUMBER:
            return f"CASE WHEN {_is_number(value)} THEN CAST({value} AS REAL) END"
        case FieldType.INTEGER:
            return f"CASE WHEN {_is_number(value)} THEN CAST({value} AS INTEGER) END"
        case _:
            return value


def _is_number(value: str) -> str:
    return f"{value} GLOB '*[0-9]*' AND {value} NOT GLOB '*[^0-9.-]*'"


def _postgresql_value(json: str, field_name: str, field_type: FieldType) -> str:
    value = f"({json} ->> {_literal(field_name)})"
    match field_type:
        case FieldType.MONEY | FieldType.NUMBER:
            return f"CASE WHEN {value} ~ '{_NUMBER}' THEN {value}::numeric END"
        case FieldType.INTEGER:
            return f"CASE WHEN {value} ~ '{_INTEGER}' THEN {value}::bigint END"
        case FieldType.DATE:
            # The last day of the value's own month, so that 31 February is null and no error.
            month = f"(left({value}, 7) || '-01')::date"
            last_day = f"extract(day FROM {month} + interval '1 month' - interval '1 day')"
            is_day = f"CASE WHEN {value} ~ '{_DATE}' THEN right({value}, 2)::int <= {last_day} ELSE false END"
            return f"CASE WHEN {is_day} THEN {value}::date END"
        case FieldType.LIST | FieldType.TABLE:
            return f"({json} -> {_literal(field_name)})"
        case _:
            return value


def _name(name: str, taken: Mapping[str, str] | set[str] | tuple[str, ...]) -> str:
    """`name`, or a shorter or different one with a digest where it is too long or taken."""
    if len(name.encode()) <= _MAX_NAME_BYTES and name.lower() not in taken:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: _MAX_NAME_BYTES - 9].decode(errors='ignore')}_{digest}"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _path(field_name: str) -> str:
    return _literal(f'$."{field_name}"')
