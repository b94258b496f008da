"""Shards as runs of a deployment: a Prefect server that is busy or away for a while."""

from collections.abc import Callable
from types import SimpleNamespace
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Failed, Pending

from blocks.backfill.errors import BackfillStopped, BackfillUnknown
from blocks.backfill.selection import Selection
from blocks.database.pipeline.backfills import find_backfill
from blocks.errors import PrefectUnreachable
from blocks.records import Stage
from tasks.backfill import task
from tasks.backfill.shards import begin_backfill
from tasks.runs.chunk import RunContext
from tasks.runs.run import Run
from tests.tasks.backfill.test_plan import NO_MODELS, Bench, bench

__all__ = ["bench"]  # a fixture

URL = "http://127.0.0.1:9/api"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "ASK_EVERY_S", 0.0)


def refusing(times: int, error: Exception) -> Callable[[], str]:
    """A question that is answered after so many refusals."""
    errors = [error] * times

    def ask() -> str:
        if errors:
            raise errors.pop()
        return "the answer"

    return ask


def status(code: int) -> PrefectHTTPStatusError:
    request = httpx.Request("POST", URL)
    return PrefectHTTPStatusError("no", request=request, response=httpx.Response(code, request=request))


def test_a_server_that_is_busy_or_away_is_asked_again() -> None:
    with SyncPrefectClient(URL) as client:
        assert task.answered(client, refusing(3, status(503))) == "the answer"
        assert task.answered(client, refusing(3, httpx.ConnectError("refused"))) == "the answer"
        with pytest.raises(PrefectHTTPStatusError):
            task.answered(client, refusing(1, status(404)))


def test_a_server_that_stays_away_is_named() -> None:
    with SyncPrefectClient(URL) as client, pytest.raises(PrefectUnreachable, match=r"127\.0\.0\.1:9.*status 503"):
        task.answered(client, refusing(1_000_000, status(503)), wait_s=0.01)


class FailingPool:
    """A Prefect server whose worker ends every run as failed."""

    api_url = URL

    def __enter__(self) -> "FailingPool":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read_deployment_by_name(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(id=uuid4(), name=name)

    def create_flow_run_from_deployment(self, *_: object, **_more: object) -> SimpleNamespace:
        return SimpleNamespace(id=uuid4(), state=Pending())

    def read_flow_run(self, run_id: UUID) -> SimpleNamespace:
        return SimpleNamespace(id=run_id, state=Failed(message="the ground has moved"))


def test_who_waits_for_shards_reads_why_one_has_failed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.versions[Stage.SCORE] = "2"
    run = Run(bench.prepared, RunContext(run_id="plan"), bench.pipeline()[0])
    backfill = begin_backfill(run, NO_MODELS, bench.plan(), shard_size=100)
    monkeypatch.setattr(task, "get_client", lambda **_: FailingPool())
    announced: list[str] = []
    with pytest.raises(BackfillStopped, match="1 shard has not ended well, the first of them shard 1"):
        task.run_in_pool(bench.database, backfill, 1, announced.append)
    assert announced == ["shard 1 has ended as Failed: the ground has moved; 0 wait, 0 are under way"]


def test_a_database_without_a_backfill_says_so(bench: Bench) -> None:
    with pytest.raises(BackfillUnknown, match="no backfill was run on this database"):
        find_backfill(bench.database, None)


def test_a_backfill_is_named_by_its_first_letters(bench: Bench) -> None:
    ids = []
    for selection in (Selection(), Selection(limit=1)):
        bench.versions[Stage.SCORE] = "2"
        run = Run(bench.prepared, RunContext(run_id="plan"), bench.pipeline()[0])
        ids.append(begin_backfill(run, NO_MODELS, bench.plan(selection), shard_size=100).backfill_id)
    assert find_backfill(bench.database, ids[0][:12]).backfill_id == ids[0]
    assert find_backfill(bench.database, None).backfill_id == ids[1], "the newest"
    for letters in ("%", "_", "no id"):
        with pytest.raises(BackfillUnknown, match="there is not exactly one backfill") as refused:
            find_backfill(bench.database, letters)
        assert all(id_[:12] in str(refused.value) for id_ in ids)
