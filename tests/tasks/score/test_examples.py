"""What a model is shown of decided documents: over HTTP, from the labels to the request and the ledger."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.keeping.erasure import erase
from blocks.database.learning.learned import Part, in_use
from blocks.database.models.tables import model_call_examples
from blocks.database.pipeline.planning import calls_of_type
from blocks.database.story.document import load_document
from blocks.database.tables import model_call_texts, model_calls, results, sources, stage_outputs
from blocks.document_types.loader import load_document_types
from blocks.gateway.registry.registry import RegistryState
from blocks.records import Batch, Stage
from blocks.settings import Settings
from deployments.cli.story_document import document_lines
from tasks.backfill.plain import without_prefect
from tasks.discover.batch import record_sources
from tasks.runs.chunk import RunContext
from tasks.runs.models import open_registry
from tasks.runs.pipeline import process_chunks
from tasks.runs.prepare import PreparedRun, handed_over
from tasks.runs.run import open_run
from tasks.stages import PIPELINE
from tests.doubles.failing_models import a_model
from tests.doubles.fake_model import FakeModel
from tests.doubles.note_reader import AMOUNT, REFERENCE, note
from tests.label_rows import add_label
from tests.model_runs import NOTE

SHOWN = "memory: {examples: 2}\n"


def truth(text: str) -> Mapping[str, Any]:
    """What the last note of a request says: the one to read."""
    found = {"reference": REFERENCE.findall(text)[-1], "amount": AMOUNT.findall(text)[-1]}
    fields = {
        name: {"value": value, "evidence": [{"page": 1, "quote": value}], "confidence": 0.95}
        for name, value in found.items()
    }
    return {"fields": fields}


@dataclass
class Desk:
    """Notes, and runs over them that ask a model over HTTP."""

    database: Database
    model: FakeModel
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        (self.folder / "in").mkdir()
        self.write_type(SHOWN)
        self.put_model()

    def put_model(self, **values: Any) -> None:
        given = {"endpoint": self.model.url, "json_mode": "json_schema", "max_output_tokens": 400}
        given |= {"input_price": Decimal("0.4"), "output_price": Decimal("1.6")}
        open_registry(self.database).put(a_model(**given | values))

    def write_type(self, more: str) -> None:
        folder = self.folder / "types" / "note"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "type.yaml").write_text(f"name: note\n{NOTE}route: [{{model: m}}]\n{more}")

    def write(self, at: int, text: str = "") -> None:
        (self.folder / "in" / f"{at}.txt").write_text(text or note(at))

    def run(self, **asked: Any) -> list[str]:
        """Run over the folder; gives what the model was asked: the text of each request's last message."""
        self.runs += 1
        before = len(self.model.asked)
        settings = Settings(document_types_dir=self.folder / "types", ocr_languages=(), **self.settings)
        types = load_document_types(settings.document_types_dir)
        batch = Batch(sources=(str(self.folder / "in"),), document_type="note")
        prepared = PreparedRun(settings, types, self.database, RegistryState(), ())
        context = RunContext(run_id=f"run-{self.runs}", **asked)
        with handed_over(prepared), open_run(context, batch, without_prefect(PIPELINE)) as run:
            record_sources(run, batch)
            process_chunks(run)
        return [_text(ast.literal_eval(asked)[-1]["content"]) for asked in self.model.asked[before:]]

    def decide(self, *numbers: int) -> None:
        """Read the notes, and label them with what they say."""
        for at in numbers:
            self.write(at)
        self.run()
        of_note = load_document_types(self.folder / "types")["note"]
        for at in numbers:
            add_label(self.database, self.id_of(at), of_note, "reference", f"REF-{at:04}")
            add_label(self.database, self.id_of(at), of_note, "amount", f"{10 + at}.{at % 100:02}")

    def id_of(self, at: int) -> str:
        query = select(sources.c.document_id).where(sources.c.uri.like(f"%/{at}.txt"))
        with self.database.read() as connection:
            return str(connection.execute(query).scalar_one())

    def shown_for(self, at: int) -> list[str]:
        """The documents that calls about a note were shown, by the ledger."""
        query = (
            select(model_call_examples.c.document_id)
            .join_from(model_call_examples, model_calls, model_calls.c.call_key == model_call_examples.c.call_key)
            .where(model_calls.c.document_id == self.id_of(at))
            .order_by(model_call_examples.c.call_key, model_call_examples.c.position)
        )
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def kept_prompts(self, at: int) -> int:
        query = (
            select(model_calls.c.call_key)
            .join(model_call_texts, model_call_texts.c.call_key == model_calls.c.call_key)
            .where(model_calls.c.document_id == self.id_of(at))
        )
        with self.database.read() as connection:
            return len(connection.execute(query).all())

    def score_fingerprint(self, at: int) -> str:
        query = select(stage_outputs.c.fingerprint).where(
            stage_outputs.c.document_id == self.id_of(at), stage_outputs.c.stage == Stage.SCORE
        )
        with self.database.read() as connection:
            return str(connection.execute(query.where(stage_outputs.c.is_current)).scalar_one())

    def reference_of(self, at: int) -> Any:
        query = select(results.c.fields).where(results.c.document_id == self.id_of(at), results.c.is_current)
        with self.database.read() as connection:
            return connection.execute(query).scalar_one()["reference"]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


@pytest.fixture
def desk(sqlite_database: Database, tmp_path: Path) -> Iterator[Desk]:
    with FakeModel(truth) as model:
        yield Desk(sqlite_database, model, tmp_path)


def test_the_request_has_the_decided_documents_that_are_most_alike_each_with_its_reply(desk: Desk) -> None:
    desk.decide(1, 2, 3)
    desk.write(4)
    (asked,) = desk.run()
    (code,) = set(re.findall(r"--- (?:example|document|reply).* (?:to example \d )?(\w{32}) ", asked))
    assert len(re.findall(rf"--- example \d {code} begins ---\n\[page 1\]\nOrder note\nReference: REF-000", asked)) == 2
    replies = [json.loads(line) for line in re.findall(rf"--- reply to example \d {code} ---\n(.*)\n", asked)]
    shown = [reply["fields"]["reference"]["value"] for reply in replies]
    assert set(shown) < {"REF-0001", "REF-0002", "REF-0003"}
    assert replies[0]["fields"]["reference"]["evidence"] == [{"page": 1, "quote": shown[0]}]
    assert asked.index("--- document ") > asked.index("--- example 2")
    assert desk.reference_of(4) == "REF-0004"
    assert desk.shown_for(4) == [desk.id_of(int(reference[-4:])) for reference in shown]
    examples = in_use(desk.database)["note", Part.EXAMPLES]
    assert desk.score_fingerprint(4).endswith(f"-{examples.learned_id}")
    with desk.database.read() as connection:
        assert calls_of_type(connection, "note", ["m"]).has_examples
    assert f"m was shown 2 decided documents last: {desk.shown_for(4)[0][:12]}" in "\n".join(
        document_lines(load_document(desk.database, desk.id_of(4)))
    )


def test_a_plan_knows_that_calls_so_far_had_no_examples(desk: Desk) -> None:
    desk.decide(1, 2)
    with desk.database.read() as connection:
        assert not calls_of_type(connection, "note", ["m"]).has_examples


def test_a_settled_row_is_not_read_again_because_more_was_decided(desk: Desk) -> None:
    desk.decide(1, 2)
    desk.write(3)
    assert len(desk.run()) == 1
    before = desk.score_fingerprint(3)
    desk.decide(4)
    assert desk.run() == []
    assert desk.score_fingerprint(3) == before
    desk.run(relearn=True)
    assert desk.score_fingerprint(3) != before


def test_no_document_is_shown_itself_or_its_twin(desk: Desk) -> None:
    desk.decide(1, 2, 3)
    desk.write(11, note(1).upper().replace("REF-0001", "REF-0001  ").replace("EUR", "eur"))
    desk.run(relearn=True)
    assert desk.shown_for(11)
    assert desk.id_of(1) not in [*desk.shown_for(1), *desk.shown_for(11)]


@pytest.mark.parametrize("shares", [False, True])
def test_a_sensitive_type_shows_documents_only_where_it_says_so(desk: Desk, shares: bool) -> None:
    more = ", share_sensitive: true" if shares else ""
    desk.write_type(f"sensitive: true\nmemory: {{examples: 2{more}}}\n")
    desk.decide(1, 2)
    desk.write(3)
    (asked,) = desk.run()
    assert ("--- example 1 " in asked) is shares
    assert bool(desk.shown_for(3)) is shares


def test_as_many_examples_are_shown_as_the_context_window_has_room_for(desk: Desk) -> None:
    desk.decide(1, 2, 3)
    for window, number in ((1_600, 2), (1_400, 1), (1_100, 0)):
        desk.put_model(context_window=window)
        desk.write(window)
        (asked,) = (asked for asked in desk.run() if f"REF-{window}" in asked.partition("--- document ")[2])
        assert asked.count(" begins ---\n[page 1]") == number + 1
        assert len(desk.shown_for(window)) == number


def test_a_long_document_is_no_example_and_the_next_one_takes_its_place(desk: Desk) -> None:
    desk.write(1, note(1) + "word 1234 " * 3_000)
    desk.write(2)
    desk.write(3)
    desk.run()
    of_note = load_document_types(desk.folder / "types")["note"]
    for at in (1, 2, 3):
        add_label(desk.database, desk.id_of(at), of_note, "reference", f"REF-{at:04}")
    desk.write(4, note(4) + "word 1234 " * 3_000)
    desk.run()
    assert desk.id_of(1) not in desk.shown_for(4)


def test_a_document_whose_budget_is_too_small_for_examples_is_asked_about_without_them(desk: Desk) -> None:
    desk.decide(1, 2, 3)
    desk.settings["budget_per_document_usd"] = Decimal("0.0028")
    desk.write(4)
    (asked,) = desk.run()
    assert "--- example" not in asked
    assert desk.reference_of(4) == "REF-0004"


def test_an_erased_document_is_in_no_prompt_that_is_kept_and_in_none_to_come(desk: Desk) -> None:
    desk.settings["keep_prompts"] = True
    desk.decide(1, 2)
    desk.write(3)
    desk.run()
    assert set(desk.shown_for(3)) == {desk.id_of(1), desk.id_of(2)}
    assert desk.kept_prompts(3) == 1
    erased = desk.id_of(1)
    erase(desk.database, [erased], "ann")
    assert desk.kept_prompts(3) == 0
    assert erased not in desk.shown_for(3)
    (desk.folder / "in" / "1.txt").unlink()
    desk.write(4)
    (asked,) = desk.run()
    assert "REF-0002" in asked
    assert "REF-0001" not in asked
