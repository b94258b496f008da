"""Progress where standard error is no terminal."""

import pytest

from blocks import progress
from blocks.records import CHUNK_STAGES, Stage
from deployments.cli import progress_bars
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
