"""Shards as runs of a deployment: a Prefect server that is busy or away for a while."""

from collections.abc import Callable

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectHTTPStatusError

from blocks.errors import PrefectUnreachable
from tasks.backfill import task

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
