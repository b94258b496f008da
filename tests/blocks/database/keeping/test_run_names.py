"""Names in the rows of runs: a pseudonym takes their place, and the rest of the row stays."""

import json

import pytest
from sqlalchemy import select, update

from blocks.database.engine import Database
from blocks.database.keeping.erasure import erase
from blocks.database.keeping.run_names import naming_files, naming_subject, rename
from blocks.database.keeping.subjects import Subject
from blocks.database.pipeline.runs import finish_run, start_run
from blocks.database.tables import runs, sources
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of

SUBJECT = "Zöe Quartermain"


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("/in/Zöe Quartermain.pdf", "/in/X.pdf"),
        ("/in/ZÖE_quartermain CV.pdf#member=1:zoë.txt", "/in/X CV.pdf#member=1:zoë.txt"),
        ("Zo\u0308e Quartermain and zöe-quartermain", "X and X"),
        ("/in/Zöe Quartermaine.pdf", "/in/Zöe Quartermaine.pdf"),
        ("no name", "no name"),
    ],
)
def test_a_subject_is_replaced_however_it_is_written_and_as_a_word_only(text: str, replaced: str) -> None:
    assert Subject(SUBJECT).replaced(text, "X") == replaced


def test_letters_that_become_two_are_replaced_as_a_whole() -> None:
    assert Subject("MÜLLERSTRASSE 4").replaced("in Müllerstraße 4, now", "X") == "in X, now"


def began(database: Database, run_id: str, *given: str, message: str = "1 document: accepted 1") -> None:
    name = f"{given[0].rpartition('/')[2]} 2026-11-30 05:00:00"
    asked = json.dumps({"sources": given, "rows_column": "text"}, ensure_ascii=False)
    start_run(database, run_id, name, settings={}, types={}, source=asked)
    finish_run(database, run_id, "Completed", message)


def texts(database: Database, run_id: str) -> tuple[str, str, str]:
    with database.read() as connection:
        row = connection.execute(
            select(runs.c.name, runs.c.source, runs.c.message).where(runs.c.run_id == run_id)
        ).one()
    return (*row,)


def test_runs_that_name_a_subject_get_a_pseudonym_in_all_their_texts(database: Database) -> None:
    began(database, "run-1", "/in/Zöe Quartermain.zip", "/in/b", message="/in/zoe: zöe quartermain.zip is damaged")
    began(database, "run-2", "/in/b")
    before = texts(database, "run-2")
    changes = naming_subject(database, "zöe QUARTERMAIN")
    assert list(changes) == ["run-1"]
    rename(database, changes)
    name, source, message = texts(database, "run-1")
    pseudonym = name.partition(".zip")[0]
    assert pseudonym.startswith("erased-")
    assert json.loads(source) == {"sources": [f"/in/{pseudonym}.zip", "/in/b"], "rows_column": "text"}
    assert message == f"/in/zoe: {pseudonym}.zip is damaged"
    assert texts(database, "run-2") == before
    assert naming_subject(database, SUBJECT) == {}


def test_a_run_that_was_given_an_erased_file_by_its_name_forgets_the_name(database: Database) -> None:
    add_documents(database, "a", "b")
    with database.write() as connection:
        for name, uri in (("a", "/in/1.pdf"), ("b", "/in/21.pdf")):
            connection.execute(update(sources).where(sources.c.document_id == id_of(name)).values(uri=uri))
    began(database, "run-1", "/in/1.pdf", "/in/21.pdf", message="1 document failed; 1.pdf is damaged")
    began(database, "run-2", "/in")
    assert list(naming_files(database, [id_of("a")])) == ["run-1"]
    erase(database, [id_of("a")], "ann")
    name, source, message = texts(database, "run-1")
    pseudonym = name.partition(".pdf")[0]
    assert pseudonym.startswith("erased-")
    assert json.loads(source)["sources"] == [f"/in/{pseudonym}.pdf", "/in/21.pdf"]
    assert message == f"1 document failed; {pseudonym}.pdf is damaged"
    assert json.loads(texts(database, "run-2")[1])["sources"] == ["/in"]
