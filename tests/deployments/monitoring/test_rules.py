"""Alert rules and dashboard ask for metrics and labels that are exported, in expressions that a PromQL parser takes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from ruamel.yaml import YAML

from blocks.database.engine import Database, now
from blocks.database.monitoring.figures import CallFigures, Figures, ReviewFigures
from deployments.monitoring.exporter import Exporter, families

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deployments" / "monitoring"
ALERTS = [rule for group in YAML(typ="safe").load(FOLDER / "alerts.yaml")["groups"] for rule in group["rules"]]
PANELS = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in ALERTS} | {
    f"{panel['title']} {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]
}


def exported() -> dict[str, set[str]]:
    """The labels of each series, by its name."""
    at = now()
    call = CallFigures()
    call.add(3, CallFigures(calls=1, latency_s=1.0, tokens=call.tokens))
    figures = Figures(
        read_at=at,
        documents={("receipt", "accepted"): 1},
        failures={("extract", "corrupt"): 1},
        runs={"Completed": 1},
        last_completed_at=at,
        workers={"live": 1, "expired": 0},
        last_beat_at=at,
        review=(ReviewFigures("receipt", 1, 0, at),),
        decisions={"accept": 1},
        calls={("m", "ok"): call, ("m", "cache_hit"): call},
        circuits={"m": False},
        spent_today_usd=0.0,
        reserved_today_usd=0.0,
        database_bytes=1,
    )
    samples = [sample for family in families(figures) for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples} | {"winnow_scrape_seconds": set()}


def selectors(node: Any) -> Iterator[Any]:
    """The selectors of series in a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "vs", "args", "param"):
        child = getattr(node, name, None)
        for part in child if isinstance(child, list) else [child]:
            if part is not None and not isinstance(part, str | int | float):
                yield from selectors(part)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_asks_for_what_is_exported(name: str) -> None:
    series = exported()
    parsed = promql_parser.parse(EXPRESSIONS[name])
    found = list(selectors(parsed))
    named = set(re.findall(r"winnow_\w+", EXPRESSIONS[name]))
    assert named
    assert {selector.name for selector in found} == named <= set(series)
    labels = set().union(*(series[metric] for metric in named))
    matched = {matcher.name for selector in found for matcher in selector.matchers.matchers}
    grouped = {label for by in re.findall(r"by \(([^)]*)\)", EXPRESSIONS[name]) for label in by.split(", ")}
    assert matched | grouped <= labels


def test_a_new_database_gives_no_alarm_by_what_it_has_none_of(sqlite_database: Database) -> None:
    of_new = {
        line.partition(" ")[0].partition("{")[0] for line in Exporter(sqlite_database).text().decode().splitlines()
    }
    missed = {name for rule in ALERTS for name in re.findall(r"absent\((\w+)\)", rule["expr"])}
    assert missed
    assert missed <= of_new


def test_the_dashboard_shows_every_metric_and_has_one_place_per_panel() -> None:
    shown = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    bases = {re.sub(r"_(sum|count)$", "_bucket", name) for name in exported()}
    assert {name for name in bases if name not in shown} == set()
    taken = [
        (place["x"] + column, place["y"] + row)
        for place in (panel["gridPos"] for panel in PANELS)
        for column in range(place["w"])
        for row in range(place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(column for column, _ in taken) < 24


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_has_its_lines_in_the_runbook(rule: dict[str, Any]) -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text()
    assert f"| `{rule['alert']}` |" in runbook
    assert set(rule["labels"]) == {"severity"}
    used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    grouped = {label for by in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in by.split(", ")}
    assert used <= (grouped or set().union(*(exported()[n] for n in re.findall(r"winnow_\w+", rule["expr"]))))
