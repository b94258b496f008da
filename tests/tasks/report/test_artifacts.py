"""What Prefect shows of a run that is over: the page, and the table of failures."""

from decimal import Decimal

import pytest

from blocks.database.story.records import RunFigures, StepFigures
from blocks.records import Rerun, RunCounts
from blocks.settings import Settings
from tasks.report.artifacts import MAX_FAILURES_SHOWN, as_markdown, failures_table
from tasks.report.repeated import Repeated
from tasks.report.report import ModelUse
from tasks.runs.chunk import RunContext
from tests.run_reports import run_report
from tests.tasks.report.test_report import finding

RUN = RunContext(run_id="r", name="letters", rerun=Rerun.STALE)


@pytest.mark.parametrize(("number", "says"), [(0, "0 model calls, "), (1, "\n1 model call, "), (2, "2 model calls, ")])
def test_calls_of_models_are_counted_in_words(number: int, says: str) -> None:
    assert says in as_markdown(run_report(model_calls=number, cost_usd=Decimal("0.5")), RUN, Settings())


ARTIFACT = r"""# letters

9 documents: 1 accepted, 2 in review, 1 failed, 5 skipped; broken expectations: unique

| document type | accepted | in review | rejected | failed | skipped |
| --- | --- | --- | --- | --- | --- |
| letter | 0 | 0 | 0 | 1 | 0 |
| receipt | 1 | 2 | 0 | 0 | 5 |

| failure | documents |
| --- | --- |
| corrupt | 1 |

| waits for the next run | documents |
| --- | --- |
| ocr_unavailable | 2 |

| model | calls | input tokens | output tokens | USD |
| --- | --- | --- | --- | --- |
| gpt | 3 | 12,000 | 400 | 0.1250 |

| stage or step | calls | p50 ms | p95 ms | USD |
| --- | --- | --- | --- | --- |
| extract | about 9 | 20 | 90 |  |
| score, step 1: gpt | 3 | 400 | 900 | 0.1250 |

| type | expectation | finding | observed |
| --- | --- | --- | --- |
| receipt | unique | fail | 3 \| 4 |
| receipt | sum | kept | 3 \| 4 |

0 model calls, 0.0000 USD, and up to 0.2500 unconfirmed; 7 answers from the cache.

**2 documents wait for a person**: `winnow review list`, or the view `review_queue`.

Failures: `winnow failures --run r`. The whole story: `winnow show r`."""

STEPS = (
    StepFigures(stage="extract", calls=9, p50_ms=20, p95_ms=90, is_estimate=True),
    StepFigures(stage="score", step=0, model="gpt", calls=3, p50_ms=400, p95_ms=900, cost_usd=Decimal("0.125")),
)


def test_the_artifact_shows_types_failures_what_waits_and_findings() -> None:
    full = run_report(
        RunCounts(documents=9, accepted=1, in_review=2, failed=1, skipped=5),
        by_type={"receipt": {"accepted": 1, "in_review": 2, "skipped": 5}, "letter": {"failed": 1}},
        failure_kinds={"corrupt": 1},
        waiting={"ocr_unavailable": 2},
        findings=(finding("unique", "fail"), finding("sum", "warn", success=True)),
        models={"gpt": ModelUse(calls=3, input_tokens=12_000, output_tokens=400, cost_usd=Decimal("0.125"))},
        unconfirmed_usd=Decimal("0.25"),
        cache_hits=7,
    )
    assert as_markdown(full, RUN, Settings(), RunFigures(step_breakdown=STEPS)) == ARTIFACT


def test_a_line_break_in_an_observed_value_does_not_end_its_row() -> None:
    broken = finding("unique", "fail").model_copy(update={"observed": "3\n4"})
    assert (
        "| receipt | unique | fail | 3 4 |" in as_markdown(run_report(findings=(broken,)), RUN, Settings()).splitlines()
    )


def test_the_artifact_says_more_than_the_allowed_share_only_beyond_the_setting() -> None:
    half = run_report(RunCounts(documents=2, accepted=1, failed=1))
    strict, lenient = Settings(allowed_failure_share=0.2), Settings(allowed_failure_share=0.5)
    assert "; more than the allowed 20% failed" in as_markdown(half, RUN, strict)
    assert "more than the allowed" not in as_markdown(half, RUN, lenient)


def test_the_artifact_names_what_was_sent_again_and_counts_duplicates() -> None:
    again = Repeated(document_type="invoice", name="invoice_is_unique", documents=63, uris=("/in/a.pdf", "/in/b.pdf"))
    lines = as_markdown(run_report(repeated=(again,), duplicate_files=3), RUN, Settings()).splitlines()
    assert "| invoice | invoice_is_unique | /in/a.pdf, /in/b.pdf and 61 more |" in lines
    assert "3 more files have the bytes of another one each, and are one document with it." in lines


def test_one_of_a_kind_is_said_in_the_singular() -> None:
    one = run_report(RunCounts(documents=1, in_review=1), duplicate_files=1, cache_hits=1)
    page = as_markdown(one, RUN, Settings())
    assert "1 more file has the bytes of another one, and is one document with it." in page
    assert "**1 document waits for a person**" in page
    assert "; 1 answer from the cache." in page


def test_the_artifact_leaves_out_tables_without_rows() -> None:
    assert "|" not in as_markdown(run_report(), RUN, Settings())


def test_what_others_wrote_is_no_markup() -> None:
    hostile = finding("<img src=x>", "fail").model_copy(update={"observed": "[here](http://x) `y` <script>"})
    page = as_markdown(run_report(findings=(hostile,)), RUN.model_copy(update={"name": "<b>"}), Settings())
    assert "# &lt;b&gt;" in page
    assert r"| &lt;img src=x&gt; | fail | \[here\](http://x) \`y\` &lt;script&gt; |" in page


def test_the_table_names_documents_and_what_to_do_about_each() -> None:
    failure = {"uri": "https://ada:secret@h/a.pdf", "document_id": "d1", "stage": "extract", "kind": "corrupt"}
    first = failure | {"message": "no engine could open it: bad; xref; ask the sender"}
    rows = failures_table([first, failure | {"message": "it broke"}])
    assert rows[0] == {
        "document": "https://ada:***@h/a.pdf",
        "failure": "corrupt",
        "what to do": "ask the sender",
        "what happened": "no engine could open it: bad; xref",
        "stage": "extract",
        "id": "d1",
    }
    assert (rows[1]["what happened"], rows[1]["what to do"]) == ("it broke", "")
    assert len(failures_table([first] * (MAX_FAILURES_SHOWN + 1))) == MAX_FAILURES_SHOWN


def test_the_page_links_to_the_review_page_where_it_is_set() -> None:
    linked = Settings(review_url="https://winnow.example/review")
    assert "[the review page](<https://winnow.example/review>), `winnow review list`" in as_markdown(
        run_report(), RUN, linked
    )
    assert "the review page" not in as_markdown(run_report(), RUN, Settings())
