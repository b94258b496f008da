"""`winnow runs` and `winnow show` on a terminal of 80 columns."""

import json

import pytest

from blocks.database.engine import Database
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.runs import finish_run, start_run
from blocks.database.review.decide import decide
from blocks.database.story.errors import StoryUnknown
from blocks.database.story.figures import count_figures
from blocks.records import Rerun
from blocks.review.records import Action, Correction, Decision, Door
from blocks.secret_url import SecretUrl
from deployments.cli.story import runs, show
from deployments.cli.words import counted, took
from tests.doubles.scripted_stages import found, id_of
from tests.review_items import ANN, RECEIPT, TYPES, open_item

SOURCE = '{"sources":["s3://key:secret@bucket/inbox","a long folder of scans/with a long name"],"limit":null}'


@pytest.fixture
def url(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> SecretUrl:
    """A database with two runs; a person corrected the only document of the first, whose name says something."""
    monkeypatch.setenv("COLUMNS", "80")
    database = sqlite_database
    for name in ("run-1", "run-2"):
        start_run(database, name, f"{name}'s name", settings={}, types={"receipt": RECEIPT}, source=SOURCE)
    document = found("a")
    record_batch(database, "run-1", [document], given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=9)
    review_id = open_item(database, "a")
    decision = Decision(
        review_id=review_id,
        version=1,
        action=Action.CORRECT,
        corrections={"total": Correction(value="12.00")},
        by="ann",
        door=Door.COMMAND,
    )
    decide(database, decision, ANN, TYPES)
    finish_run(database, "run-1", "Completed", "done", count_figures(database, "run-1").model_dump(mode="json"))
    return database.url


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr().out.splitlines()
    assert max(map(len, said)) <= 80
    return said


def test_runs_are_listed_in_80_columns_with_what_to_type_next(
    url: SecretUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(limit=1, database=url)
    said = lines(capsys)
    assert said[0].split() == ["run", "started", "(UTC)", "state", "documents", "review", "failed", "USD", "took"]
    assert said[1].split()[:1] + said[1].split()[3:4] == ["run-2", "running"]
    assert said[-1] == "winnow runs --after run-2 lists older ones."
    runs(limit=5, after="run-2", as_json=True, database=url)
    (older,) = json.loads(capsys.readouterr().out)
    assert (older["run_id"], older["state"], older["total_duration_ms"] >= 0) == ("run-1", "Completed", True)


def test_a_run_that_skipped_everything_shows_it_and_other_lists_have_no_such_column(
    url: SecretUrl, sqlite_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(limit=5, database=url)
    assert "skipped" not in lines(capsys)[0]
    skipped = {"documents": 1_200, "by_status": {"skipped": 1_200, "accepted": 0}}
    figures = count_figures(sqlite_database, "run-2").model_dump(mode="json") | skipped
    finish_run(sqlite_database, "run-2", "Completed", "done", figures)
    runs(limit=5, database=url)
    head, first, *_ = lines(capsys)
    assert head.split()[-5:] == ["documents", "skipped", "review", "failed", "USD"]
    assert first.split()[-5:] == ["1,200", "1,200", "0", "0", "0.00"]


def test_a_run_is_shown_without_secrets(url: SecretUrl, capsys: pytest.CaptureFixture[str]) -> None:
    show("run-1", database=url)
    said = lines(capsys)
    assert said[:2] == ["run run-1 (run-1's name)", "state      Completed: done"]
    assert "a long folder of scans" in "\n".join(said)
    assert "secret" not in "\n".join(said)
    show("run-1", as_json=True, database=url)
    story = json.loads(capsys.readouterr().out)
    named = "run_id state total_duration_ms documents by_status model_calls cache_hits retries fallbacks"
    assert {*named.split(), "cost_total_usd", "step_breakdown", "failures", "reviews", "waited_for"} <= story.keys()


def test_a_corrected_document_shows_who_changed_what_and_both_versions(
    url: SecretUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    show(id_of("a")[:10], database=url)
    said = lines(capsys)
    assert "state      accepted, decided by ann" in said
    assert any(line.endswith("ann corrected it") for line in said)
    assert "      total: 9.00 → 12.00" in said
    below = said[next(number for number, line in enumerate(said) if line.startswith("---")) :]
    assert [line.split() for line in below[1:]] == [["total", "9.00", "12.00"]]


def test_what_is_not_known_is_an_error_that_says_what_to_type(url: SecretUrl) -> None:
    with pytest.raises(StoryUnknown, match="winnow runs lists the runs"):
        show("nothing", database=url)


@pytest.mark.parametrize(
    ("ms", "says"),
    [
        (None, "–"),
        (999, "999 ms"),
        (59_900, "59.9 s"),
        (61_000, "1 min 1 s"),
        (3_660_000, "1 h 1 min"),
        (48 * 3_600_000, "2 d 0 h"),
    ],
)
def test_durations_have_two_units(ms: int | None, says: str) -> None:
    assert took(ms) == says


def test_nouns_are_counted() -> None:
    assert (counted(1, "retry"), counted(2_000, "retry"), counted(0, "call")) == ("1 retry", "2,000 retries", "0 calls")
