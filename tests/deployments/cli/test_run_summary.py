"""The summary of a run: duplicates are counted, documents that were sent again are named."""

from uuid import UUID

import pytest
from prefect.client.schemas.objects import State, StateDetails
from prefect.states import Completed

from deployments.cli.run_summary import show_summary, summary_of
from tasks.report.repeated import Repeated
from tasks.report.report import RunReport
from tests.run_reports import run_report

AGAIN = Repeated(document_type="invoice", name="invoice_is_unique", documents=63, uris=("/in/a.pdf", "/in/b\x1b.pdf"))


def shown(found: RunReport, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, object], str]:
    state: State[RunReport] = Completed(data=found, state_details=StateDetails(flow_run_id=UUID(int=1)))
    summary = summary_of(state, found, 1.0)
    show_summary(summary, found, state, None)
    return summary, capsys.readouterr().out


def test_documents_that_were_sent_again_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    summary, out = shown(run_report(repeated=(AGAIN,), duplicate_files=3), capsys)
    assert summary["duplicate_files"] == 3
    assert summary["repeated"] == [AGAIN.model_dump()]
    assert "3    more files with the same bytes as one of these" in out
    assert "the same invoice again (invoice_is_unique): /in/a.pdf, /in/b .pdf and 61 more\n" in out
    assert "\x1b" not in out


def test_one_duplicate_is_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = shown(run_report(duplicate_files=1), capsys)
    assert "1    more file with the same bytes as one of these" in out


def test_without_duplicates_nothing_is_said_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = shown(run_report(), capsys)
    assert "again" not in out
    assert "same bytes" not in out
