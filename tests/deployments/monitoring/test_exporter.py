"""The metrics as Prometheus reads them, who may read them, and the names that the documentation lists."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.testclient import TestClient

from blocks.database.engine import Database
from blocks.database.monitoring.figures import Figures
from blocks.errors import DatabaseUnreachable
from deployments.monitoring import exporter
from deployments.monitoring.exporter import Exporter
from deployments.monitoring.server import create_server
from tests.blocks.database.monitoring.test_figures import add_call
from tests.winnow_command import winnow

ROOT = Path(__file__).parents[3]
TOKEN = SecretStr("a token of sixteen")


def samples(text: str) -> dict[str, float]:
    """By name and labels."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {f"{name}{sorted(labels.values())}": value for name, labels, value, *_ in found}


def test_the_text_is_what_prometheus_reads(sqlite_database: Database) -> None:
    for outcome in ("ok", "ok", "cache_hit", "timed_out"):
        add_call(sqlite_database, outcome=outcome)
    found = samples(Exporter(sqlite_database).text().decode())
    assert found["winnow_model_calls_total['m', 'ok']"] == 2
    assert found["winnow_model_cache_hits_total['m']"] == 1
    assert "winnow_model_calls_total['cache_hit', 'm']" not in found
    assert found["winnow_model_tokens_total['input', 'm']"] == 21
    assert found["winnow_model_call_seconds_bucket['+Inf', 'm', 'ok']"] == 2
    assert found["winnow_model_call_seconds_bucket['0.25', 'm', 'ok']"] == 0


def test_a_scrape_within_seconds_costs_the_database_nothing(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "RESTS", 0)
    kept, fresh = Exporter(sqlite_database, kept_for_s=60), Exporter(sqlite_database, kept_for_s=0)
    first = kept.text(), fresh.text()
    add_call(sqlite_database)
    assert kept.text() == first[0]
    assert fresh.text() != first[1]


def test_who_asks_during_a_long_reading_gets_what_was_read_before(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "RESTS", 0)
    exported = Exporter(sqlite_database, kept_for_s=0)
    first = exported.text()
    add_call(sqlite_database)
    begun, may_end, read = threading.Event(), threading.Event(), exported._reader.read

    def read_slowly() -> Figures:
        begun.set()
        assert may_end.wait(60)
        return read()

    monkeypatch.setattr(exported._reader, "read", read_slowly)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(exported.text)
        assert begun.wait(60)
        assert exported.text() == first
        may_end.set()
        assert b"winnow_model_calls_total{" in slow.result(60)
        assert b"winnow_model_calls_total{" not in first


def test_a_long_reading_is_followed_by_a_long_rest(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    exported, clock = Exporter(sqlite_database, kept_for_s=5), [1_000.0]
    monkeypatch.setattr(exporter, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    read, readings = exported._reader.read, list[float]()

    def read_in_30_s() -> Figures:
        readings.append(clock[0])
        clock[0] += 30
        return read()

    monkeypatch.setattr(exported._reader, "read", read_in_30_s)
    for _ in range(60):
        exported.text()
        clock[0] += 10
    assert readings == [1_000.0, 1_330.0]


def test_the_server_asks_for_the_token_and_tells_an_outage(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "RESTS", 0)
    exported = Exporter(sqlite_database, kept_for_s=0)
    assert TestClient(create_server(exported, None)).get("/metrics").status_code == 200
    client = TestClient(create_server(exported, TOKEN))
    for header, status in (
        ({}, 401),
        ({"Authorization": "Bearer another"}, 401),
        ({"Authorization": f"Basic {TOKEN.get_secret_value()}"}, 401),
        ({"Authorization": f"Bearer {TOKEN.get_secret_value()}"}, 200),
    ):
        assert client.get("/metrics", headers=header).status_code == status

    def away() -> None:
        raise DatabaseUnreachable("postgresql://db", "no route to host")

    monkeypatch.setattr(exported._reader, "read", away)
    assert TestClient(create_server(exported, None)).get("/metrics").status_code == 503


def test_the_command_prints_metrics_and_opens_no_door_to_other_machines(
    sqlite_database: Database, tmp_path: Path
) -> None:
    url = sqlite_database.url.get_secret_value()
    printed = winnow("metrics", "--once", cwd=tmp_path, WINNOW_DATABASE_URL=url)
    assert samples(printed.stdout)["winnow_database_size_bytes[]"] > 0
    refused = winnow("metrics", "--serve", "0.0.0.0:8401", cwd=tmp_path, WINNOW_DATABASE_URL=url)
    assert refused.returncode == 2
    assert "set WINNOW_METRICS_TOKEN" in refused.stderr


def test_the_documentation_lists_every_metric(sqlite_database: Database) -> None:
    documented = set(re.findall(r"^\| `(winnow_\w+)`", (ROOT / "docs" / "monitoring.md").read_text(), re.MULTILINE))
    exported = re.findall(rb"^# TYPE (\w+) ", Exporter(sqlite_database).text(), re.MULTILINE)
    assert documented == {name.decode() for name in exported}
