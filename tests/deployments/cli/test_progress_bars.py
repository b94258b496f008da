"""Progress where standard error is no terminal."""

import json
import logging
import sys

import pytest

from blocks import progress
from blocks.logs import HANDLER, JsonLines
from blocks.records import CHUNK_STAGES, Stage
from deployments.cli import output, progress_bars
from deployments.cli.progress_bars import show_progress


@pytest.mark.parametrize("line_every_s", [0.0, 60.0])
def test_the_last_line_has_the_final_counts_once(
    line_every_s: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress_bars, "LINE_EVERY_S", line_every_s)
    with show_progress(lambda run_id: f"http://prefect/{run_id}"):
        progress.publish(progress.Planned("run", 3))
        monkeypatch.setattr(progress_bars, "LINE_EVERY_S", 60.0)
        for stage in CHUNK_STAGES:
            progress.report("run", stage, 3)
    lines = capsys.readouterr().err.splitlines()
    store_counts = [line.partition(f"{Stage.STORE} ")[2] for line in lines[1:]]
    assert store_counts == ([] if line_every_s else ["0/3", "3/3"]), "a short run prints no counts before its summary"


def test_where_the_command_logs_json_each_of_its_lines_is_a_record(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.name = HANDLER
    room = logging.Logger("deployments", logging.INFO)
    room.addHandler(handler)
    monkeypatch.setattr(output, "_log", room)
    monkeypatch.setattr(progress_bars, "LINE_EVERY_S", 0.0)
    with show_progress(lambda run_id: f"http://prefect/{run_id}"):
        progress.publish(progress.Planned("run", 3))
        progress.publish(progress.Waiting("gpt-x", "HTTP 503", 30))
        monkeypatch.setattr(progress_bars, "LINE_EVERY_S", 60.0)
        progress.report("run", Stage.EXTRACT, 3)
    output.warn("a setting is misspelt: 100%")
    records = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert records[0]["message"] == "Prefect UI: http://prefect/run"
    assert [record["level"] for record in records] == ["info", "info", "warning", "info", "warning"]
    assert [record.get("run") for record in records] == ["run", "run", "run", "run", None]
    assert records[-1]["message"] == "a setting is misspelt: 100%"


def test_a_handler_of_prefect_does_not_take_the_lines_of_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room = logging.Logger("deployments", logging.INFO)
    room.addHandler(logging.NullHandler())
    monkeypatch.setattr(output, "_log", room)
    output.note("the plan is in plan.json")
    assert capsys.readouterr().err == "the plan is in plan.json\n"
