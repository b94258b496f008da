"""What a run says of itself when it is over."""

from decimal import Decimal

import pytest

from blocks.records import Rerun, RunCounts
from blocks.settings import Settings
from tasks.report.report import RunReport, as_markdown
from tasks.runs.chunk import RunContext


@pytest.mark.parametrize(("number", "says"), [(0, "0 model calls, "), (1, "\n1 model call, "), (2, "2 model calls, ")])
def test_calls_of_models_are_counted_in_words(number: int, says: str) -> None:
    report = RunReport(
        counts=RunCounts(documents=1, accepted=1),
        missing=0,
        by_type={},
        failure_kinds={},
        findings=(),
        model_calls=number,
        cost_usd=Decimal("0.5"),
    )
    assert says in as_markdown(report, RunContext(run_id="r", rerun=Rerun.STALE), Settings())
