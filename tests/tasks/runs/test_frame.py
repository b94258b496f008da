"""Digests, and what a stage's error makes of a document."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from blocks.errors import Corrupt, DatabaseUnreachable, RunError, RunInterrupted, StageCrashed
from blocks.records import Document, Outcome, Retry, Stage
from tasks.runs.frame import digest_of, failed, guarded, together, with_learnt

DOCUMENT = Document("d", "/d", "text/plain", 1)


def test_a_digest_is_of_the_parts_in_their_order_and_tells_them_apart() -> None:
    assert digest_of("a", "b") == hashlib.sha256(b"a\nb").hexdigest()
    assert len({digest_of("a", "b"), digest_of("b", "a"), digest_of("ab"), digest_of("a", "b", "")}) == 4


def test_what_was_learnt_is_part_of_a_fingerprint_once_something_was() -> None:
    base = digest_of("a")
    assert with_learnt(base, ()) == base
    assert with_learnt(base, (15, 12)) == f"{base}.12-15"
    assert len({base, with_learnt(base, (1,)), with_learnt(base, (2,)), with_learnt(base, (1, 2))}) == 4


def test_an_output_that_differs_in_what_was_learnt_alone_can_be_kept() -> None:
    base, other = digest_of("a"), digest_of("b")
    for earlier in (base, with_learnt(base, (1, 2))):
        assert with_learnt(base, (3,), kept=earlier) == earlier
    assert with_learnt(other, (3,), kept=with_learnt(base, (1,))) == with_learnt(other, (3,))


def test_an_error_of_ours_is_the_documents_failure_and_no_defect() -> None:
    outcome = failed(Stage.EXTRACT, DOCUMENT, Corrupt("application/pdf", "no pages"))
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.stage, outcome.failure.retry) == (
        "corrupt",
        Stage.EXTRACT,
        Retry.NEVER,
    )
    assert (outcome.document_id, outcome.payload, outcome.defect) == ("d", None, None)


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


@pytest.mark.parametrize("error", [RunInterrupted(), DatabaseUnreachable("a database", "it is down")])
def test_an_error_of_the_run_is_no_documents_failure(error: RunError) -> None:
    calls: list[int] = []

    def fail(documents: Sequence[Document]) -> list[Outcome]:
        calls.append(len(documents))
        raise error

    attempts: list[Callable[[], object]] = [
        lambda: failed(Stage.SCORE, DOCUMENT, error),
        lambda: guarded(Stage.SCORE, DOCUMENT, lambda document: fail([document])),
        lambda: together([DOCUMENT, DOCUMENT], fail, partial(failed, Stage.SCORE)),
    ]
    for attempt in attempts:
        with pytest.raises(RunError) as raised:
            attempt()
        assert raised.value is error
    assert calls == [1, 2], "no document is tried alone after an error of the run"


def test_a_guarded_result_is_returned_and_a_guarded_error_is_the_documents_failure() -> None:
    assert guarded(Stage.SCORE, DOCUMENT, lambda document: document.uri) == "/d"
    outcome = guarded(Stage.SCORE, DOCUMENT, lambda _: 1 / 0)
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.defect, ZeroDivisionError)


@pytest.mark.parametrize(("broken", "groups", "defects"), [("b", ["abc", "a", "b", "c"], ["b"]), ("none", ["abc"], [])])
def test_items_are_worked_at_once_and_after_an_error_each_alone(
    broken: str, groups: list[str], defects: list[str]
) -> None:
    documents = [Document(name, f"/{name}", "text/plain", 1) for name in "abc"]
    calls: list[str] = []

    def outcomes_of(items: Sequence[Document]) -> list[Outcome]:
        calls.append("".join(item.document_id for item in items))
        if broken in calls[-1]:
            raise ZeroDivisionError("planted")
        return [Outcome(item.document_id, payload=b"{}") for item in items]

    outcomes = together(documents, outcomes_of, partial(failed, Stage.SCORE))
    assert calls == groups
    assert [outcome.document_id for outcome in outcomes] == ["a", "b", "c"]
    assert [outcome.document_id for outcome in outcomes if outcome.defect] == defects
