"""Runs and documents are found by the first letters of their ids; what is not found is named."""

import pytest

from blocks.database.engine import Database
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline import runs
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.known_ids import check_document, find_document, find_run
from blocks.errors import DocumentUnknown, RunUnknown
from blocks.ledger import ModelCall, Settlement
from blocks.records import Rerun
from tests.doubles.scripted_stages import found, id_of


def prepare(database: Database) -> None:
    for run_id in ("2f0c", "2f0cde", "31aa"):
        runs.start_run(database, run_id, run_id, settings={}, types={}, source="/in")
    members = [found("a")]
    record_batch(
        database, "2f0c", members, given_type=None, rerun=Rerun.STALE, pipeline_digest="p", chunk_size=100
    )  # fmt: skip
    trial = ModelCall(document_id="test-9", model="gpt", model_version="1", call_key="a")
    DatabaseLedger(database).exchange([Settlement("test-9", trial)], ())


def test_a_run_is_found_by_its_id_and_by_its_first_letters(database: Database) -> None:
    prepare(database)
    assert find_run(database, "31") == "31aa"
    assert find_run(database, "2f0cd") == "2f0cde"
    assert find_run(database, "2f0c") == "2f0c", "an id that another one begins with"
    assert find_run(database, "test-") == "test-9", "a trial has no row but the ledger's"
    with pytest.raises(RunUnknown, match="several runs have an id that begins with '2f': 2f0c, 2f0cde; give more"):
        find_run(database, "2f")
    for unknown in ("nosuch", "%", ""):
        with pytest.raises(RunUnknown, match=f"begins with '{unknown}'; the newest are: 31aa, 2f0cde, 2f0c"):
            find_run(database, unknown)


def test_a_document_is_known_by_its_first_letters(database: Database) -> None:
    prepare(database)
    check_document(database, id_of("a")[:6])
    check_document(database, "test-9")
    for unknown in ("nosuch", "%", ""):
        with pytest.raises(DocumentUnknown, match=f"begins with '{unknown}'"):
            check_document(database, unknown)


def test_the_only_document_is_found_by_the_first_letters_of_its_id(database: Database) -> None:
    prepare(database)
    assert find_document(database, id_of("a")[:12]) == find_document(database, id_of("a")) == id_of("a")
    for letters in ("", "zz"):
        with pytest.raises(DocumentUnknown):
            find_document(database, letters)
