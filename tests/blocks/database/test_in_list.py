from sqlalchemy import select, update

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.pipeline.documents import record_batch
from blocks.database.tables import documents
from blocks.records import Rerun
from tests.doubles.scripted_stages import found, id_of

CHOSEN = select(documents.c.document_id).where(in_list(documents.c.document_id, "ids"), documents.c.size_bytes == 5)


def test_the_texts_of_a_list_and_no_others(database: Database) -> None:
    batch = [found(name) for name in "abc"]
    record_batch(database, "run", batch, given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100)
    odd = "quote \" and % and ' and ü"
    with database.write() as connection:
        renamed = update(documents).where(in_list(documents.c.document_id, "b_ids")).values(media_type=odd)
        connection.execute(renamed, {"b_ids": [id_of("b")]})
        chosen = connection.execute(CHOSEN, {"ids": [id_of("a"), id_of("c"), "none"]}).scalars()
        assert set(chosen) == {id_of("a"), id_of("c")}
        assert connection.execute(CHOSEN, {"ids": ()}).all() == []
        by_type = select(documents.c.document_id).where(in_list(documents.c.media_type, "types"))
        assert connection.execute(by_type, {"types": {odd}}).scalars().all() == [id_of("b")]


def test_sqlite_looks_the_texts_up_in_an_index(sqlite_database: Database) -> None:
    compiled = str(CHOSEN.compile(sqlite_database.engine))
    with sqlite_database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", ("[]", 5)).all()
    assert any("SEARCH documents USING INDEX" in step[3] for step in plan), plan
