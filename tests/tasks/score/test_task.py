"""The score stage as its task joins it: what settings and a run's options say of money and texts reaches every call."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from blocks.database.address import connect
from blocks.database.engine import Database, close_database
from blocks.database.tables import model_call_texts, model_calls
from blocks.document_types.loader import load_document_types
from blocks.gateway.event_loop import gateway_loop
from blocks.gateway.providers import openai_chat
from blocks.gateway.providers.catalogue import PROVIDERS
from blocks.gateway.registry.registry import RegistryState
from blocks.records import Document, Extraction, Outcome, Page, Stage
from blocks.settings import Settings
from tasks.runs.chunk import RunContext
from tasks.runs.models import open_gateway, open_registry
from tasks.runs.prepare import PreparedRun
from tasks.runs.run import PipelineStage, Run
from tasks.score.task import score
from tasks.stage_openers import open_score
from tests.doubles.failing_models import a_model
from tests.doubles.fake_model import USAGE, FakeModel
from tests.doubles.note_reader import AMOUNT, REFERENCE, note
from tests.model_runs import NOTE

NOTES = 16
INPUT_PRICE, OUTPUT_PRICE = Decimal("0.4"), Decimal("1.6")
CALL_USD = (USAGE["prompt_tokens"] * INPUT_PRICE + USAGE["completion_tokens"] * OUTPUT_PRICE) / 1_000_000
CAP = Decimal("0.003")
"""Room for some of the calls about `NOTES` notes."""


def truth(text: str) -> dict[str, Any]:
    """What the note in a request says."""
    found = {"reference": REFERENCE.findall(text)[-1], "amount": AMOUNT.findall(text)[-1]}
    fields = {
        name: {"value": value, "evidence": [{"page": 1, "quote": value}], "confidence": 0.95}
        for name, value in found.items()
    }
    return {"fields": fields}


def documents(start: int = 0) -> list[Document]:
    made = []
    for at in range(start, start + NOTES):
        pages = (Page(number=1, method="parsed", text=note(at)),)
        extraction = Extraction(media_type="text/plain", pages=pages, engine="test", language="eng")
        made.append(
            Document(
                document_id=f"d{at}",
                uri=f"file:///d{at}.txt",
                media_type="text/plain",
                size_bytes=1,
                document_type="note",
                digests={Stage.EXTRACT: f"e{at}"},
                inputs={Stage.EXTRACT: extraction.model_dump_json().encode()},
            )
        )
    return made


class Joined:
    """The stage of a process with these settings, over a database whose one model is a fake."""

    def __init__(self, database: Database, model: FakeModel, types: Path) -> None:
        self._given = {"database_url": database.url, "document_types_dir": types}
        self._opened: list[Database] = []
        self.database = database
        self.model = model
        values = {"endpoint": model.url, "json_mode": "json_schema", "max_output_tokens": 400, "in_flight": 4}
        open_registry(database).put(a_model(**values, input_price=INPUT_PRICE, output_price=OUTPUT_PRICE))

    def score(self, run: RunContext, start: int = 0, **settings: object) -> Counter[str]:
        """Score notes under a run; counts how they ended."""
        outcomes = self.outcomes(run, start, **settings)
        return Counter(outcome.failure.kind if outcome.failure else "ok" for outcome in outcomes)

    def outcomes(self, run: RunContext, start: int = 0, **settings: object) -> list[Outcome]:
        """Score notes under a run."""
        given_settings = Settings.model_validate(self._given | settings)
        self._opened.append(connect(given_settings))
        prepared = PreparedRun(
            given_settings,
            load_document_types(given_settings.document_types_dir),
            connect(given_settings),
            RegistryState(),
            run.models,
        )
        opened = Run(prepared, run, {Stage.SCORE: PipelineStage(score, open_score)})
        return list(opened.works[Stage.SCORE].work(documents(start)))

    def spent(self) -> Decimal:
        with self.database.read() as connection:
            rows = connection.execute(select(model_calls.c.cost_usd, model_calls.c.unconfirmed_usd)).all()
        return sum((cost + unconfirmed for cost, unconfirmed in rows), Decimal(0))

    def texts(self) -> int:
        with self.database.read() as connection:
            return len(connection.execute(select(model_call_texts.c.call_key)).all())

    def close(self) -> None:
        for database in self._opened:
            gateway_loop().submit(open_gateway(database).close()).result(timeout=30)
            close_database(database)


@pytest.fixture
def joined(sqlite_database: Database, tmp_path: Path) -> Iterator[Joined]:
    folder = tmp_path / "types" / "note"
    folder.mkdir(parents=True)
    (folder / "type.yaml").write_text(f"name: note\n{NOTE}route: [{{model: m}}]\n")
    with FakeModel(truth) as model:
        made = Joined(sqlite_database, model, folder.parent)
        yield made
        made.close()


def test_by_default_every_document_is_asked_about_and_no_text_is_kept(joined: Joined) -> None:
    assert joined.score(RunContext(run_id="r")) == {"ok": NOTES}
    assert len(joined.model.asked) == NOTES
    assert joined.spent() == NOTES * CALL_USD > CAP
    assert joined.texts() == 0


def test_texts_are_kept_where_the_setting_asks_for_it(joined: Joined) -> None:
    joined.score(RunContext(run_id="r"), keep_prompts=True)
    assert joined.texts() == NOTES


@pytest.mark.parametrize("scope", ["run", "day", "document", "option"])
def test_each_budget_of_the_settings_and_of_the_run_bounds_what_is_spent(joined: Joined, scope: str) -> None:
    run = RunContext(run_id="r", budget_usd=CAP if scope == "option" else None)
    cap = Decimal("0.0001") if scope == "document" else CAP
    settings: dict[str, Any] = {} if scope == "option" else {f"budget_per_{scope}_usd": cap}
    ended = joined.score(run, **settings)
    if scope == "day":  # of which another run has the rest
        ended += joined.score(run.model_copy(update={"run_id": "other"}), NOTES, **settings)
    asked = len(joined.model.asked)
    assert ended["ok"] == asked
    assert ended["budget_exhausted"] == ended.total() - asked > 0
    assert joined.spent() == asked * CALL_USD <= cap
    assert (asked == 0) == (scope == "document"), "not even one call fits what a document may cost here"


@pytest.mark.parametrize("function", ["render", "read"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_defect_in_a_provider_costs_the_document_that_it_happens_on(
    provider: str, function: str, joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(whole: Callable[..., object]) -> Callable[..., Any]:
        def call(*arguments: object) -> object:
            if function == whole.__name__ and "REF-0003" in repr(arguments):
                raise ZeroDivisionError("planted")
            return whole(*arguments)

        return call

    # The fake model speaks OpenAI's format, whatever the provider is called.
    broken = replace(PROVIDERS["openai"], render=planted(openai_chat.render), read=planted(openai_chat.read))
    monkeypatch.setitem(cast("dict[str, object]", PROVIDERS), provider, broken)
    row = {"provider": provider, "endpoint": joined.model.url, "json_mode": "json_schema", "in_flight": 4}
    open_registry(joined.database).put(a_model(**row, input_price=INPUT_PRICE, output_price=OUTPUT_PRICE))
    outcomes = {outcome.document_id: outcome for outcome in joined.outcomes(RunContext(run_id="r"))}
    failed = outcomes.pop("d3")
    assert failed.failure is not None
    assert (failed.failure.kind, failed.failure.stage) == ("internal", Stage.SCORE)
    assert isinstance(failed.defect, ZeroDivisionError)
    assert [outcome.failure for outcome in outcomes.values() if outcome.failure] == []
