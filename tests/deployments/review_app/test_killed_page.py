"""The page's process is killed while people decide: what was answered is kept, and what is sent again counts once."""

import random
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest
import review_crowd
from review_crowd import ON_PAGE, Reviewer, page_of

from blocks.database.engine import Database


class Persistent(Reviewer):
    """A person who sends the same request again until the page answers it."""

    lost = 0

    def post(self, path: str, body: object) -> httpx.Response:
        until = time.monotonic() + 120
        while True:
            try:
                return super().post(path, body)
            except httpx.TransportError:
                self.lost += 1
                assert time.monotonic() < until, "the page does not come back"
                time.sleep(0.05)


@pytest.mark.parametrize(
    ("items", "kills"), [(60, 3), pytest.param(3_000, 40, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_a_killed_page_loses_no_answered_decision_and_applies_none_twice(
    database: Database, items: int, kills: int, capfd: pytest.CaptureFixture[str]
) -> None:
    review_crowd.fill(database, items)
    draw, port = random.Random(items), review_crowd.free_port()
    address = f"http://127.0.0.1:{port}"
    reviewers = [Persistent(address, name) for name in ON_PAGE]
    works: list[Future[None]] = []
    with ThreadPoolExecutor(len(reviewers)) as pool:
        for killed in range(kills + 1):
            with page_of(database, port) as (process, _):
                if not works:
                    for reviewer in reviewers:
                        reviewer.log_in()
                    works = [pool.submit(reviewer.work) for reviewer in reviewers]
                if killed == kills:
                    for work in works:
                        work.result()
                    break
                enough = items * (killed + draw.uniform(0.2, 0.8)) / (kills + 1)
                while sum(len(reviewer.decided) for reviewer in reviewers) < enough:
                    assert process.poll() is None, "the page's process ended"
                    time.sleep(0.001)
                time.sleep(draw.uniform(0, 0.05))
                process.kill()
                process.wait()
    assert re.search(r"GET /login by -: 200 in \d+ ms", capfd.readouterr().err), "requests are logged"
    assert sum(reviewer.lost for reviewer in reviewers) >= kills, "every kill cut somebody off"
    assert sum(reviewer.refused for reviewer in reviewers) == 0
    review_crowd.check(database, items, {reviewer.name: reviewer.decided for reviewer in reviewers})
