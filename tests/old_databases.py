"""Databases of every earlier revision, with rows in every table that it had.

The rows are made by today's code, as far as it made such rows at that revision, and then lose the columns that came
later. No version was released yet, so that there is no database that an earlier program wrote.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    Table,
    create_engine,
    inspect,
    select,
    text,
)
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table

from blocks.database.column_types import ExactDecimal, UtcDateTime
from blocks.database.engine import Database
from blocks.database.metadata import RowId, metadata
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.review.decide import decide
from blocks.database.review.judgements import judge
from blocks.database.schema import MIGRATIONS_DIR
from blocks.gateway.registry.registry import RegisteredModel
from blocks.ledger import ModelCall, Settlement, new_call_key
from blocks.review.chain import Entry, Head, entry_hash
from blocks.review.records import Action, Decision, Door, FieldJudgement, Judgement
from tasks.runs.models import open_registry
from tests.database_fixtures import add_documents
from tests.review_items import ANN, TYPES, open_item

AT = datetime(2026, 11, 1, 23, 30, 1, 250_000, tzinfo=UTC)
Row = dict[str, Any]
Rows = dict[str, list[Row]]

DECISIONS_SINCE, JUDGEMENTS_SINCE, DIGESTS_SINCE = "0008", "0014", "0016"
EMPTIED = {"limit_leases": "0003", "review_notices": "0009"}
"""Tables that an upgrade makes anew, by the revision that does. Leases last for seconds; items are noticed again."""

OWN_VALUES: Mapping[str, Row] = {
    "review_decisions": {"decision": "accept", "status": "new", "message": None, "applied_at": None},
    "views": {"name": "old_view"},
}
VALUES: Sequence[tuple[type, object]] = (
    (UtcDateTime, AT),
    (ExactDecimal, Decimal("0.1250001")),
    (JSON, {"key": [1, "Café"]}),
    (Boolean, True),
    (Float, 0.5),
    (Integer, 7),
    (RowId, 7),
    (LargeBinary, b"\x00\xff"),
)


def fill(database: Database, revision: str, process: Callable[[Database], None]) -> Rows:
    """Put rows into every table of an empty database of today; gives all rows, by table.

    `process` computes documents. Of review there is what the code of that revision could write.
    """
    process(database)
    names = ("waits", "accepted", "reclassified", "judged")
    add_documents(database, *names)
    waits, accepted, reclassified, judged = (open_item(database, name) for name in names)
    assert waits == 1
    if revision >= DECISIONS_SINCE:
        decide(database, _decision(accepted, Action.ACCEPT), ANN, TYPES)
        decide(database, _decision(reclassified, Action.RECLASSIFY, "invoice"), ANN, TYPES)
    if revision >= JUDGEMENTS_SINCE:
        says = {"judgement": Judgement.RIGHT, "by": ANN.name, "door": Door.PAGE, "shown_ms": 900}
        judge(database, FieldJudgement(review_id=judged, version=1, field="total", **says), ANN, TYPES)
    model = {"name": "gpt", "provider": "openai", "upstream": "gpt", "endpoint": "http://127.0.0.1:9/v1"}
    open_registry(database).put(RegisteredModel.model_validate(model | {"input_price": "0.4", "output_price": "1.6"}))
    call = ModelCall(document_id="d", model="gpt", model_version="1", call_key=new_call_key(), cost_usd=Decimal("0.05"))
    DatabaseLedger(database).exchange([Settlement("run", call)], ())
    with database.write() as connection:
        for table in metadata.sorted_tables:
            has_rows = connection.execute(select(table)).first() is not None
            if not has_rows and table.name not in unused(revision):
                connection.execute(table.insert(), made_up(connection, table))
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in metadata.sorted_tables
        }


def _decision(review_id: int, action: Action, document_type: str = "") -> Decision:
    return Decision(
        review_id=review_id, version=1, action=action, document_type=document_type, by=ANN.name, door=Door.PAGE
    )


def unused(revision: str) -> set[str]:
    """Tables without rows: those of decisions that the revision did not know."""
    answers = set() if revision >= DECISIONS_SINCE else {"review_answers"}
    return answers if revision >= JUDGEMENTS_SINCE else answers | {"review_judgements"}


def made_up(connection: Connection, table: Table) -> Row:
    """A row with a value in every column; keys of other tables are of rows that are there."""
    return {column.name: _value(connection, column) for column in table.columns} | OWN_VALUES.get(table.name, {})


def _value(connection: Connection, column: Column[Any]) -> object:
    for key in column.foreign_keys:
        return connection.execute(select(key.column).limit(1)).scalar_one()
    for kind, value in VALUES:
        if isinstance(column.type, kind):
            return value
    return f"{column.name} é"


def build(url: str, revision: str, rows: Rows) -> Rows:
    """Make a database of that revision with these rows, as far as it has their columns; gives what it holds."""
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR))
    held: Rows = {}
    rows = rows if revision >= DIGESTS_SINCE else _without_digests(rows)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for name, columns in _tables(connection, revision):
            held[name] = [{column: row[column] for column in columns} for row in rows[name]]
            types = metadata.tables[name].c
            target = sql_table(
                _name_at(name, revision), *(sql_column(column, types[column].type) for column in columns)
            )
            connection.execute(target.delete())  # the migrations' own rows
            if held[name]:
                connection.execute(target.insert(), held[name])
        connection.execute(text("CREATE VIEW old_view AS SELECT document_id FROM results"))
        if connection.dialect.name != "sqlite":
            _move_sequences(connection)
    engine.dispose()
    return held


def _tables(connection: Connection, revision: str) -> Iterator[tuple[str, list[str]]]:
    """Tables of the revision that are still there today, with the columns that are; parents first."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for table in metadata.sorted_tables:
        name = _name_at(table.name, revision)
        is_other = (table.name == "models" and revision < "0002") or revision < EMPTIED.get(name, "")
        if name not in there or is_other:
            continue
        found = inspector.get_columns(name)
        gone = [column["name"] for column in found if column["name"] not in table.c and not column["nullable"]]
        assert gone == [], f"{name} had columns that must be filled: {gone}"
        yield table.name, [column["name"] for column in found if column["name"] in table.c]


def _name_at(table: str, revision: str) -> str:
    """Versions of models that were seen had the name `models` at first."""
    return "models" if table == "model_versions" and revision < "0002" else table


def _without_digests(rows: Rows) -> Rows:
    """The rows as they were before events had digests: each hash covers the content itself.

    The hash of a decision is also the fingerprint of its result.
    """
    head, hashes, events = Head(), dict[str, str](), []
    for row in sorted(rows["review_events"], key=lambda row: int(row["event_id"])):
        columns = ("event_id", "review_id", "event", "content", "actor", "run_id", "happened_at")
        hashed = entry_hash(head.hash, Entry(*(row[name] for name in columns)))
        events.append(row | {"previous_hash": head.hash, "hash": hashed})
        hashes[row["hash"]] = hashed
        head = Head(row["event_id"], hashed)
    results = [row | {"fingerprint": hashes.get(row["fingerprint"], row["fingerprint"])} for row in rows["results"]]
    chain = [row | {"hash": head.hash} for row in rows["review_chain"]]
    return rows | {"review_events": events, "results": results, "review_chain": chain}


def _move_sequences(connection: Connection) -> None:
    for table in inspect(connection).get_table_names():
        for column in inspect(connection).get_columns(table):
            sequence = connection.execute(
                text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table, "column": column["name"]}
            ).scalar_one()
            if sequence:
                connection.exec_driver_sql(
                    f"SELECT setval('{sequence}', (SELECT COALESCE(MAX({column['name']}), 0) + 1 FROM {table}))"
                )
