"""The Prefect task behind the flow report: a period's sentences and figures as an artifact."""

from datetime import timedelta

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.database.engine import Database, now
from blocks.database.learning.learned import newest_promises
from blocks.database.review.stats import review_stats
from blocks.database.story.period import load_period
from tasks.period.period import FIGURES, MODEL_FIGURES, PeriodReport, report_of
from tasks.report.artifacts import cell, table


@task(name="report-period", cache_policy=NO_CACHE, persist_result=False)
def report_period(database: Database, days: int) -> PeriodReport:
    """The report of the last days, also written as an artifact."""
    until = now()
    period = load_period(database, until - timedelta(days=days), until)
    found = report_of(period, review_stats(database, days=days), newest_promises(database))
    create_markdown_artifact(period_markdown(found), key="winnow-report", description=f"the last {days} days")
    return found


def period_markdown(found: PeriodReport) -> str:
    """The artifact's page."""
    runs = "1 run" if found.runs == 1 else f"{found.runs:,} runs"
    head = f"# Winnow, {found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}: {runs}"
    sentences = [f"- {cell(sentence)}" for sentence in found.sentences] or ["No run did anything."]
    rows = [(each.document_type, *(figure(each) for _, figure in FIGURES)) for each in found.types]
    types = table(("document type", *(name for name, _ in FIGURES)), rows) if rows else ""
    asked = [(each.model, *(figure(each) for _, figure in MODEL_FIGURES)) for each in found.models]
    models = table(("model", *(name for name, _ in MODEL_FIGURES)), asked) if asked else ""
    return "\n\n".join(part for part in (head, "\n".join(sentences), types, models) if part)


def closing_period(found: PeriodReport) -> State[PeriodReport]:
    """The flow's final state, which has the first sentence."""
    return Completed(message=found.sentences[0] if found.sentences else "no run did anything", data=found)
