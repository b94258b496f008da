"""The final state of a chunk's task says what became of its documents."""

import pytest

from tasks.runs.chunk import StageCounts
from tasks.runs.task import chunk_state


@pytest.mark.parametrize(
    ("counts", "name", "message"),
    [
        (StageCounts(done=3), "Completed", "3 done"),
        (StageCounts(unchanged=3), "Cached", "3 unchanged"),
        (StageCounts(done=2, failed=1), "CompletedWithErrors", "2 done, 1 failed"),
        (StageCounts(done=2, waiting=1), "Completed", "2 done, 1 without an earlier stage's output"),
        (StageCounts(), "Completed", "no documents"),
    ],
)
def test_a_chunk_ends_as_its_counts_say(counts: StageCounts, name: str, message: str) -> None:
    state = chunk_state(counts)
    assert (state.name, state.message, state.is_completed()) == (name, message, True)
