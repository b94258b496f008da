"""Digests, and what a stage's error makes of a document."""

import hashlib

from blocks.errors import Corrupt, StageCrashed
from blocks.records import Document, Retry, Stage
from tasks.runs.frame import digest_of, failed

DOCUMENT = Document("d", "/d", "text/plain", 1)


def test_a_digest_is_of_the_parts_in_their_order_and_tells_them_apart() -> None:
    assert digest_of("a", "b") == hashlib.sha256(b"a\nb").hexdigest()
    assert len({digest_of("a", "b"), digest_of("b", "a"), digest_of("ab"), digest_of("a", "b", "")}) == 4


def test_an_error_of_ours_is_the_documents_failure_and_no_defect() -> None:
    outcome = failed(Stage.EXTRACT, DOCUMENT, Corrupt("application/pdf", "no pages"), 5)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.stage, outcome.failure.retry) == (
        "corrupt",
        Stage.EXTRACT,
        Retry.NEVER,
    )
    assert (outcome.document_id, outcome.payload, outcome.duration_ms, outcome.defect) == ("d", None, 5, None)


def test_any_other_error_is_a_defect_that_keeps_its_exception() -> None:
    error = ZeroDivisionError("planted")
    outcome = failed(Stage.SCORE, DOCUMENT, error)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.stage) == ("internal", Stage.SCORE)
    assert "ZeroDivisionError: planted" in outcome.failure.message
    assert outcome.defect is error


def test_a_defect_in_an_isolated_process_is_a_defect() -> None:
    error = StageCrashed("ZeroDivisionError: planted")
    outcome = failed(Stage.EXTRACT, DOCUMENT, error)
    assert outcome.failure is not None
    assert outcome.failure.message == str(error)
    assert outcome.defect is error
