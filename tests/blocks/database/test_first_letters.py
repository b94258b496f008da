"""Ids are found by their first letters on both databases, and without reading the others."""

from sqlalchemy import select, text

from blocks.database.engine import Database
from blocks.database.first_letters import begins_with
from blocks.database.pipeline import runs as run_queries
from blocks.database.tables import runs

IDS = ("0190ab12-34cd-7e00", "0190ab12-ffff-7e00", "0190ab13-0000-7e00", "f" * 64)


def test_every_beginning_finds_the_ids_that_begin_so_and_no_other(database: Database) -> None:
    for id_ in IDS:
        run_queries.start_run(database, id_, id_, settings={}, types={}, source="{}")
    beginnings = {id_[:length] for id_ in IDS for length in range(1, len(id_) + 1)} | {"0190AB", "%", "_", "0190ab1_"}
    with database.read() as connection:
        for letters in sorted(beginnings):
            found = connection.execute(select(runs.c.run_id).where(begins_with(runs.c.run_id, letters))).scalars()
            assert set(found) == {id_ for id_ in IDS if id_.startswith(letters)}, letters


def test_the_index_of_the_ids_is_used(sqlite_database: Database) -> None:
    query = select(runs.c.run_id).where(begins_with(runs.c.run_id, "0190ab"))
    with sqlite_database.read() as connection:
        written = query.compile(connection, compile_kwargs={"literal_binds": True})
        [plan] = connection.execute(text(f"EXPLAIN QUERY PLAN {written}")).all()
    assert plan.detail.startswith("SEARCH runs USING"), plan.detail
