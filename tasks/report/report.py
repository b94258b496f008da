"""The report at the end of a run, from the database's counts alone."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Literal

from pydantic import Field

from blocks.database.engine import Database
from blocks.database.pipeline import runs
from blocks.database.pipeline.sources import duplicate_files
from blocks.records import Record, RunCounts, TypeFinding
from blocks.settings import Settings
from tasks.report.repeated import Repeated
from tasks.runs.chunk import RunContext


class RunReport(Record):
    """A run's counts, its cost, and the findings about all results of a type.

    `missing` counts documents of the batch that ended in no state: 0 unless something is wrong. `unconfirmed_usd` is
    what attempts without a reply may have cost beside `cost_usd`. `cache_hits` counts stored replies that were used.
    `waiting` counts documents in review that the next run tries again, by kind of failure. `duplicate_files` counts
    files with the bytes of another file of the run; `repeated` names documents with the values of another document.
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
        if counts.documents and counts.failed / counts.documents > allowed_failure_share:
            return "Failed", f"{message}; more than the allowed {allowed_failure_share:.0%} failed"
        if broken:
            return "Failed", f"{message}; broken expectations: {', '.join(broken)}"
        return ("CompletedWithErrors" if counts.failed else "Completed"), message


def build_report(
    database: Database, run: RunContext, findings: tuple[TypeFinding, ...], repeated: tuple[Repeated, ...] = ()
) -> RunReport:
    """The report of a run, read from the database."""
    counts, missing = runs.run_counts(database, run.run_id)
    return RunReport(
        counts=counts,
        missing=missing,
        by_type=runs.counts_by_type(database, run.run_id),
        failure_kinds=runs.failure_kinds(database, run.run_id),
        findings=findings,
        waiting=runs.waiting_kinds(database, run.run_id),
        duplicate_files=duplicate_files(database, run.run_id),
        repeated=repeated,
        **asdict(runs.run_costs(database, run.run_id)),
    )


def as_markdown(report: RunReport, run: RunContext, settings: Settings) -> str:
    """The run's artifact: counts by type and status, failures by kind, findings, and how to see the review list."""
    _, message = report.closing(settings.allowed_failure_share)
    sections = [f"# {run.name}", message, _types_table(report.by_type)]
    if report.failure_kinds:
        sections.append(_table(("failure", "documents"), report.failure_kinds.items()))
    if report.waiting:
        sections.append(_table(("waits for the next run", "documents"), report.waiting.items()))
    if report.findings:
        rows = [(f.document_type, f.name, "kept" if f.success else f.severity, f.observed) for f in report.findings]
        sections.append(_table(("type", "expectation", "finding", "observed"), rows))
    if report.repeated:
        groups = [(group.document_type, group.name, ", ".join(group.uris)) for group in report.repeated]
        sections.append(_table(("type", "expectation", "documents with equal values"), groups))
    if report.duplicate_files:
        files = "1 more file has" if report.duplicate_files == 1 else f"{report.duplicate_files} more files have"
        sections.append(f"{files} the bytes of another one, and are one document with it.")
    sections += [
        f"{report.calls}, {report.cost_usd:.4f} USD{_beside(report)}.",
        f"**{report.counts.in_review} documents wait for a person**: `winnow review list`, or the view `review_queue`.",
        f"Failures: `winnow failures --run {run.run_id}`.",
    ]
    return "\n\n".join(section for section in sections if section)


def _beside(report: RunReport) -> str:
    """Unconfirmed cost and answers from the cache, if any."""
    unconfirmed = f", and up to {report.unconfirmed_usd:.4f} unconfirmed" if report.unconfirmed_usd else ""
    return unconfirmed + (f"; {report.cache_hits} answers from the cache" if report.cache_hits else "")


def _types_table(by_type: Mapping[str, Mapping[str, int]]) -> str:
    statuses = ("accepted", "in_review", "rejected", "failed", "skipped")
    rows = [(name, *(counts.get(status, 0) for status in statuses)) for name, counts in sorted(by_type.items())]
    return _table(("document type", *(status.replace("_", " ") for status in statuses)), rows) if rows else ""


def _table(header: tuple[str, ...], rows: Iterable[Iterable[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in line) + " |" for line in lines
    )
