"""The metrics as Prometheus reads them, who may read them, and the names that the documentation lists."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.testclient import TestClient

from blocks.database.engine import Database
from blocks.errors import DatabaseUnreachable
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


def test_a_scrape_within_seconds_costs_the_database_nothing(sqlite_database: Database) -> None:
    kept, fresh = Exporter(sqlite_database, kept_for_s=60), Exporter(sqlite_database, kept_for_s=0)
    first = kept.text(), fresh.text()
    add_call(sqlite_database)
    assert kept.text() == first[0]
    assert fresh.text() != first[1]


def test_the_server_asks_for_the_token_and_tells_an_outage(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = Exporter(sqlite_database, kept_for_s=0)
    assert TestClient(create_server(exporter, None)).get("/metrics").status_code == 200
    client = TestClient(create_server(exporter, TOKEN))
    for header, status in (
        ({}, 401),
        ({"Authorization": "Bearer another"}, 401),
        ({"Authorization": f"Basic {TOKEN.get_secret_value()}"}, 401),
        ({"Authorization": f"Bearer {TOKEN.get_secret_value()}"}, 200),
    ):
        assert client.get("/metrics", headers=header).status_code == status

    def away() -> None:
        raise DatabaseUnreachable("postgresql://db", "no route to host")

    monkeypatch.setattr(exporter._reader, "read", away)
    assert TestClient(create_server(exporter, None)).get("/metrics").status_code == 503


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
