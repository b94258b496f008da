"""What a stage has to work, from a row's state, its retry, its attempts, the run, and what was asked for."""

import pytest

from blocks.database.pipeline.chunk_state import DONE, FAILED, PROVISIONAL, STARTED, ChunkState, OutputRow, Todo
from blocks.records import Document, Rerun, Retry

RERUNS = tuple(Rerun)
A, B, C = (Document(name, f"/in/{name}", "text/plain", 1) for name in "abc")


def row(
    state: str, *, run_id: str = "run-1", retry: Retry | None = None, attempts: int = 1, solo_attempts: int = 0
) -> OutputRow:
    return OutputRow("f", state, True, run_id, retry, attempts, solo_attempts, run_id)


def to_do(known: OutputRow | None, rerun: Rerun, run_id: str = "run-1", *, contested: bool = False) -> str:
    """What is to be done for a document that has this row: fresh, suspect, exhausted or nothing."""
    state = ChunkState((A,), 0, {"a": {"f": known}} if known else {})
    todo = state.to_do({"a": "f"}, rerun, run_id, 3, ["a"] if contested else ())
    kinds = {"fresh": todo.fresh, "suspect": todo.killed_their_worker, "exhausted": todo.exhausted}
    assert list(todo) == [document for documents in kinds.values() for document in documents]
    assert len(todo) <= 1
    return next((kind for kind, documents in kinds.items() if documents), "nothing")


@pytest.mark.parametrize("rerun", RERUNS)
def test_a_document_without_a_row_under_todays_fingerprint_is_worked(rerun: Rerun) -> None:
    assert to_do(None, rerun) == "fresh"
    state = ChunkState((A,), 0, {"a": {"yesterday": row(DONE)}})
    assert state.to_do({"a": "f"}, rerun, "run-1", 3).fresh == (A,)


@pytest.mark.parametrize(
    ("known", "same_run", "later_runs"),
    [
        (row(DONE), set(), {Rerun.ALL}),
        (row(PROVISIONAL, retry=Retry.NEXT_RUN), set(), set(RERUNS)),
        (row(FAILED, retry=Retry.NEVER), set(), {Rerun.FAILED, Rerun.ALL}),
        (row(FAILED, retry=Retry.NEXT_RUN), set(), set(RERUNS)),
        (row(FAILED, retry=Retry.NOW, attempts=2), set(RERUNS), set(RERUNS)),
        (row(FAILED, retry=Retry.NOW, attempts=3), set(), {Rerun.FAILED, Rerun.ALL}),
        (row(STARTED, attempts=2), set(RERUNS), set(RERUNS)),
    ],
    ids=["done", "provisional", "never", "next run", "now", "now, tried up", "started"],
)
def test_what_is_worked_again(known: OutputRow, same_run: set[Rerun], later_runs: set[Rerun]) -> None:
    assert {rerun for rerun in RERUNS if to_do(known, rerun, "run-1") == "fresh"} == same_run
    assert {rerun for rerun in RERUNS if to_do(known, rerun, "run-2") == "fresh"} == later_runs
    others = [to_do(known, rerun, run_id) for rerun in RERUNS for run_id in ("run-1", "run-2")]
    assert set(others) <= {"fresh", "nothing"}


@pytest.mark.parametrize(
    ("attempts", "solo_attempts", "expected"),
    [
        (2, 0, "fresh"),
        (3, 0, "suspect"),
        (3, 2, "suspect"),
        (5, 2, "suspect"),
        (3, 3, "exhausted"),
        (6, 4, "exhausted"),
    ],
)
def test_a_document_that_broke_workers_is_worked_alone_and_then_quarantined(
    attempts: int, solo_attempts: int, expected: str
) -> None:
    known = row(STARTED, attempts=attempts, solo_attempts=solo_attempts)
    assert to_do(known, Rerun.STALE) == to_do(known, Rerun.NEVER, "run-2") == expected
    assert to_do(known, Rerun.ALL) == expected, "the run's own attempts count, whatever was asked"
    assert to_do(known, Rerun.FAILED, "run-2") == to_do(known, Rerun.ALL, "run-2") == "fresh"


def test_where_no_document_can_kill_its_worker_none_is_suspected_after_any_number_of_deaths() -> None:
    state = ChunkState((A,), 0, {"a": {"f": row(STARTED, attempts=20, solo_attempts=20)}})
    for run_id in ("run-1", "run-2"):
        todo = state.to_do({"a": "f"}, Rerun.STALE, run_id, 3, can_kill_worker=False)
        assert (todo.fresh, todo.killed_their_worker, todo.exhausted) == ((A,), (), ())


@pytest.mark.parametrize("rerun", RERUNS)
def test_what_another_run_made_meanwhile_is_good_for_this_one(rerun: Rerun) -> None:
    for state in (DONE, PROVISIONAL, FAILED):
        assert to_do(row(state, retry=Retry.NEXT_RUN), rerun, "run-2", contested=True) == "nothing"
    assert to_do(row(FAILED, retry=Retry.NEVER), rerun, "run-2", contested=True) == "nothing"
    assert to_do(row(FAILED, retry=Retry.NOW, attempts=2), rerun, "run-2", contested=True) == "fresh"
    assert to_do(row(FAILED, retry=Retry.NOW, attempts=3), rerun, "run-2", contested=True) == "nothing"
    assert to_do(row(STARTED, attempts=1), rerun, "run-2", contested=True) == "fresh"


def test_a_contested_row_of_the_run_itself_is_judged_as_any_other() -> None:
    assert to_do(row(PROVISIONAL), Rerun.STALE, "run-1", contested=True) == "nothing"
    assert to_do(row(FAILED, retry=Retry.NOW), Rerun.STALE, "run-1", contested=True) == "fresh"


def test_a_chunk_is_worked_in_its_order_and_only_where_it_is_ready() -> None:
    rows = {
        "a": {"f": row(STARTED, attempts=3, solo_attempts=3)},
        "b": {"f": row(STARTED, attempts=3)},
        "waiting": {"f": row(FAILED, retry=Retry.NOW)},
    }
    state = ChunkState((A, B, C), 1, rows)
    todo = state.to_do(dict.fromkeys("abc", "f"), Rerun.STALE, "run-1", 3)
    assert (todo.fresh, todo.killed_their_worker, todo.exhausted) == ((C,), (B,), (A,))
    assert list(todo) == [C, B, A]
    assert len(todo) == 3
    assert not Todo()
