"""Run reports for tests."""

from decimal import Decimal

from blocks.records import RunCounts
from tasks.report.report import RunReport


def run_report(counts: RunCounts | None = None, **values: object) -> RunReport:
    """A report of a run over four accepted documents, but for what is given."""
    usual: dict[str, object] = {
        "counts": counts or RunCounts(documents=4, accepted=4),
        "missing": 0,
        "by_type": {},
        "failure_kinds": {},
        "findings": (),
        "model_calls": 0,
        "cost_usd": Decimal(0),
    }
    return RunReport.model_validate(usual | values)
