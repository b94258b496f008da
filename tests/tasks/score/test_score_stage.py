from collections.abc import Sequence
from dataclasses import replace

import pytest

from blocks.document_types import Criterion, DocumentField, DocumentType, FieldType, Rubric
from blocks.errors import WinnowError
from blocks.gateway.ledger import ModelCall
from blocks.gateway.model import ModelReply, ModelRequest
from blocks.records import CriterionReading, Document, Extraction, FieldReading, Page, Retry, Scoring, Stage
from tasks.score.stage import LEDGER_GROUP, ScoreStage
from tasks.score.total import total_score

RUBRIC = Rubric(
    criteria=(Criterion(name="tone", weight=3, description=""), Criterion(name="facts", weight=1, description=""))
)
LETTER = DocumentType(
    name="letter", title="Letter", fields={"day": DocumentField(type=FieldType.DATE, aliases=("Day",))}, rubric=RUBRIC
)


class Ledger:
    """Keeps what it is given in memory."""

    def __init__(self) -> None:
        self.groups: list[Sequence[ModelCall]] = []

    def write(self, run_id: str, calls: Sequence[ModelCall]) -> None:
        assert run_id == "run"
        self.groups.append(calls)


class Busy(WinnowError):
    """The model asks for patience."""

    kind = "busy"
    retry = Retry.NOW


class Scripted:
    """A model that misbehaves by document: `busy` raises a typed error, `broken` a defect."""

    name = "local"
    version = "7"

    def answer(self, request: ModelRequest) -> ModelReply:
        if request.document_id == "busy":
            raise Busy("come back later")
        if request.document_id == "broken":
            raise ZeroDivisionError("oops")
        return ModelReply(
            fields={"day": FieldReading(value="2024-05-01"), "invented": FieldReading(value="x")},
            criteria=(CriterionReading(name="tone", grade=1.0, confidence=0.9),),
        )


def document(document_id: str, document_type: str | None = "letter", digest: str = "e1") -> Document:
    pages = (Page(number=1, method="parsed", text="Day: 1 May 2024"),)
    extraction = Extraction(media_type="text/plain", pages=pages, engine="test", language="eng")
    return Document(
        document_id=document_id,
        uri=f"file:///{document_id}.txt",
        media_type="text/plain",
        size_bytes=15,
        document_type=document_type,
        digests={Stage.EXTRACT: digest},
        inputs={Stage.EXTRACT: extraction.model_dump_json().encode()},
    )


def stage(ledger: Ledger | None = None, document_type: DocumentType = LETTER) -> ScoreStage:
    return ScoreStage({"letter": document_type}, ledger or Ledger(), "run", {"local": Scripted()})


def test_a_document_is_scored_and_the_total_is_computed_by_code() -> None:
    outcome = next(stage().work([document("a")]))
    assert outcome.payload is not None
    scoring = Scoring.model_validate_json(outcome.payload)
    assert scoring.fields["day"].value == "2024-05-01"
    assert "invented" not in scoring.fields, "a model cannot add fields"
    assert scoring.score == 75.0
    assert scoring.model == "local@7"


@pytest.mark.parametrize("name", [None, "unknown", "gone"])
def test_a_document_of_no_known_type_is_asked_of_no_model(name: str | None) -> None:
    ledger = Ledger()
    outcome = next(stage(ledger).work([document("a", name)]))
    assert outcome.payload is not None
    assert Scoring.model_validate_json(outcome.payload) == Scoring(document_type="unknown", model="none")
    assert ledger.groups == []


def test_one_bad_document_costs_that_document_only() -> None:
    outcomes = {one.document_id: one for one in stage().work([document("busy"), document("broken"), document("fine")])}
    busy, broken = outcomes["busy"].failure, outcomes["broken"].failure
    assert busy is not None
    assert (busy.kind, busy.retry, busy.stage) == ("busy", Retry.NOW, Stage.SCORE)
    assert broken is not None
    assert (broken.kind, broken.retry) == ("internal", Retry.NEVER)
    assert outcomes["fine"].payload is not None


def test_an_extraction_that_cannot_be_read_is_that_documents_failure() -> None:
    outcome = next(stage().work([replace(document("a"), inputs={Stage.EXTRACT: b"{}"})]))
    assert outcome.failure is not None
    assert outcome.failure.kind == "internal"


def test_calls_reach_the_ledger_in_groups_even_when_the_reader_stops() -> None:
    ledger = Ledger()
    documents = [document(f"d{number}") for number in range(LEDGER_GROUP + 5)]
    work = stage(ledger).work(documents)
    for _ in range(LEDGER_GROUP + 2):
        next(work)
    work.close()  # type: ignore[attr-defined]  # it is a generator
    assert [len(group) for group in ledger.groups] == [LEDGER_GROUP, 2]


def test_payloads_are_the_same_for_the_same_document() -> None:
    assert next(stage().work([document("a")])).payload == next(stage().work([document("a")])).payload


def test_the_fingerprint_follows_what_score_reads_and_nothing_else() -> None:
    first = stage().fingerprint(document("a"))
    assert first == stage().fingerprint(replace(document("b"), uri="file:///elsewhere", size_bytes=9))
    assert first != stage().fingerprint(document("a", digest="e2"))
    assert first != stage().fingerprint(document("a", "unknown"))
    reviewed = DocumentType.model_validate(LETTER.model_dump() | {"review": {"accept_at": 0.1}})
    assert first == stage(document_type=reviewed).fingerprint(document("a"))
    prompted = DocumentType.model_validate(LETTER.model_dump() | {"prompts": {"default": "read"}})
    assert first != stage(document_type=prompted).fingerprint(document("a"))
    other = ScoreStage({"letter": LETTER}, Ledger(), "run")
    assert first != other.fingerprint(document("a")), "another version of the model"


def test_the_configuration_changes_with_any_type() -> None:
    more = ScoreStage({"letter": LETTER, "memo": LETTER}, Ledger(), "run", {"local": Scripted()})
    assert more.configuration != stage().configuration
    assert stage().configuration == stage().configuration


def test_the_total_weighs_criteria_and_trusts_no_grade() -> None:
    def graded(**grades: float) -> list[CriterionReading]:
        return [CriterionReading(name=name, grade=grade, confidence=1.0) for name, grade in grades.items()]

    assert total_score(RUBRIC, graded(tone=0.5, facts=1.0)) == 62.5
    assert total_score(RUBRIC, graded(facts=1.0)) == 25.0, "a missing grade counts as nothing"
    assert total_score(RUBRIC, graded(tone=9.0, facts=-3.0, charm=1.0)) == 75.0
    assert total_score(RUBRIC, []) is None
    assert total_score(None, graded(tone=1.0)) is None
