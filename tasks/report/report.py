"""The report at the end of a run, from the database's counts alone."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from blocks.database.engine import Database
from blocks.database.pipeline import runs
from blocks.database.pipeline.sources import duplicate_files
from blocks.database.results.results import accepted_by
from blocks.errors import RunError
from blocks.records import Record, Rerun, RunCounts
from tasks.report.repeated import Repeated
from tasks.runs.chunk import RunContext
from tasks.validate.type_expectations import TypeFinding


class ModelUse(Record):
    """What a run asked of one model, and what it cost."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal


class RunReport(Record):
    """A run's counts, its cost, and the findings about all results of a type.

    `missing` counts documents of the batch that ended in no state: 0 unless something is wrong. `unconfirmed_usd` is
    what attempts without a reply may have cost beside `cost_usd`. `cache_hits` counts stored replies that were used.
    `waiting` counts documents in review that the next run tries again, by kind of failure. `duplicate_files` counts
    files with the bytes of another file of the run; `repeated` names documents with the values of another document.
    `failed_before` counts the failed documents that had failed before the run, by type; `is_rerun_of_failed` says that
    it is a run of `--rerun failed`. `accepted_by` counts accepted rows of types that promise an error, by what accepted
    them.
    """

    counts: RunCounts
    missing: int
    by_type: dict[str, dict[str, int]]
    failure_kinds: dict[str, int]
    findings: tuple[TypeFinding, ...]
    model_calls: int
    cost_usd: Decimal
    unconfirmed_usd: Decimal = Decimal(0)
    cache_hits: int = 0
    waiting: dict[str, int] = Field(default_factory=dict)
    duplicate_files: int = 0
    repeated: tuple[Repeated, ...] = ()
    models: dict[str, ModelUse] = Field(default_factory=dict)
    failed_before: dict[str, int] = Field(default_factory=dict)
    is_rerun_of_failed: bool = False
    accepted_by: dict[str, int] = Field(default_factory=dict)

    @property
    def calls(self) -> str:
        """The number of model calls in words."""
        return "1 model call" if self.model_calls == 1 else f"{self.model_calls} model calls"

    def closing(
        self, allowed_failure_share: float
    ) -> tuple[Literal["Completed", "CompletedWithErrors", "Failed"], str]:
        """The final state's name and message."""
        counts = self.counts
        parts = counts.model_dump(exclude={"documents"})
        noun = "document" if counts.documents == 1 else "documents"
        message = f"{counts.documents} {noun}: " + (
            ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in parts.items() if number)
            or "nothing to do"
        )
        broken = [finding.name for finding in self.findings if not finding.success and finding.severity == "fail"]
        if self.missing:
            return "Failed", f"{message}; {self.missing} ended in no state, so the counts do not add up"
        newly_failed = counts.failed - (sum(self.failed_before.values()) if self.is_rerun_of_failed else 0)
        if counts.documents and newly_failed / counts.documents > allowed_failure_share:
            return "Failed", f"{message}; more than the allowed {allowed_failure_share:.0%} failed"
        if broken:
            return "Failed", f"{message}; broken expectations: {', '.join(broken)}"
        return ("CompletedWithErrors" if counts.failed else "Completed"), message


class RunFailed(RunError):
    """A run came to its end, and its counts or findings make it Failed."""

    def __init__(self, message: str, report: RunReport) -> None:
        self.report = report
        super().__init__(message)


def build_report(
    database: Database, run: RunContext, findings: tuple[TypeFinding, ...], repeated: tuple[Repeated, ...] = ()
) -> RunReport:
    """The report of a run, read from the database."""
    counts, missing = runs.run_counts(database, run.run_id)
    by_model = runs.costs_by_model(database, run.run_id)
    costs = sum(by_model.values(), runs.NO_COSTS)
    return RunReport(
        counts=counts,
        missing=missing,
        by_type=runs.counts_by_type(database, run.run_id),
        failure_kinds=runs.failure_kinds(database, run.run_id),
        findings=findings,
        waiting=runs.waiting_kinds(database, run.run_id),
        duplicate_files=duplicate_files(database, run.run_id),
        repeated=repeated,
        model_calls=costs.model_calls,
        cost_usd=costs.cost_usd,
        unconfirmed_usd=costs.unconfirmed_usd,
        cache_hits=costs.cache_hits,
        models={
            name: ModelUse(
                calls=use.model_calls,
                input_tokens=use.input_tokens,
                output_tokens=use.output_tokens,
                cost_usd=use.cost_usd,
            )
            for name, use in by_model.items()
        },
        failed_before=runs.failed_before(database, run.run_id) if counts.failed else {},
        is_rerun_of_failed=run.rerun is Rerun.FAILED,
        accepted_by=accepted_by(database, run.run_id),
    )
