"""What becomes of a document by the route and the review rules of its shipped type, whatever a model says of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from blocks.document_types.loader import load_document_types
from blocks.evidence.confidence import UNSUPPORTED_CEILING
from blocks.gateway.model import ModelReply, Question
from blocks.records import (
    Classification,
    CriterionReading,
    Document,
    Evidence,
    Extraction,
    FieldReading,
    Page,
    Scoring,
    Signals,
    Stage,
    Status,
    Validation,
)
from blocks.settings import Settings
from tasks.score.stage import ScoreRules, ScoreStage
from tasks.validate.stage import ValidateStage
from tests.doubles.routed_models import Answer, ScriptedGateway, model

TYPES = load_document_types(Settings().document_types_dir)
POST = "she thinks the clowns at the shop are ok tbh but nobody there knows what they do lol"
TICKET = "I still have not received my new card, it was sent two weeks ago. What is going on?"
RESUME = "ACCOUNTANT\nSummary\nAccountant with ten years of experience in budgets and reporting, and of leading a team."


def says(fields: Mapping[str, FieldReading], grades: Sequence[CriterionReading] = ()) -> Answer:
    def answer(question: Question) -> ModelReply:
        asked = {name: one for name, one in fields.items() if name in question.request.asked}
        return ModelReply(fields=asked, criteria=tuple(grades))

    return answer


def run(name: str, text: str, **answers: Answer) -> tuple[Validation, Scoring, list[str]]:
    """The verdict on a document, its scoring, and who was asked; each model is the only one of the tier of its name."""
    gateway = ScriptedGateway(answers, tuple(model(tier, tier=tier) for tier in answers))
    extraction = Extraction(
        media_type="text/plain", pages=(Page(number=1, method="parsed", text=text),), engine="test", language="en"
    )
    classification = Classification(document_type=name, confidence=1.0, method="signals")
    inputs = {Stage.EXTRACT: extraction, Stage.CLASSIFY: classification}
    document = Document(
        document_id="d",
        uri="/d",
        media_type="text/plain",
        size_bytes=1,
        document_type=name,
        digests={Stage.EXTRACT: "1", Stage.CLASSIFY: "2", Stage.SCORE: "3"},
        inputs={stage: one.model_dump_json().encode() for stage, one in inputs.items()},
    )
    scored = next(ScoreStage(TYPES, gateway, "run", ScoreRules(outage_wait_limit_s=0)).work([document]))
    assert scored.payload is not None, scored.failure
    document = replace(document, inputs={**document.inputs, Stage.SCORE: scored.payload})
    validated = next(ValidateStage(TYPES).work([document]))
    assert validated.payload is not None, validated.failure
    scoring = Scoring.model_validate_json(scored.payload)
    return Validation.model_validate_json(validated.payload), scoring, gateway.names


def reading(value: str, quote: str, *voices: float) -> FieldReading:
    """A language model's reading, with the confidences of others in the same value; its own word tips nothing."""
    signals = Signals(stated=0.5, agreeing=voices)
    return FieldReading(value=value, confidence=0.5, evidence=(Evidence(page=1, quote=quote),), signals=signals)


def as_sure_as(confidence: float, name: str, text: str, **values: str) -> dict[str, FieldReading]:
    """Readings of which the verdict is so sure: as many voices as it takes beside that of the built-in reader."""
    quote = text[:20]
    plain = {field: reading(value, quote) for field, value in values.items()}
    alone, _, _ = run(name, text, cheap=says(plain))
    return {
        field: reading(value, quote, probability(log_odds(confidence) - log_odds(alone.confidences[field])))
        for field, value in values.items()
    }


def log_odds(chance: float) -> float:
    return math.log(chance / (1 - chance))


def probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


@pytest.mark.parametrize(
    ("confidence", "status", "asked"),
    [
        (0.97, Status.ACCEPTED, ["cheap"]),
        (0.94, Status.IN_REVIEW, ["cheap"]),
        (0.85, Status.IN_REVIEW, ["cheap"]),
        (0.72, Status.IN_REVIEW, ["cheap"]),
        (0.68, Status.IN_REVIEW, ["cheap", "strong"]),
        (0.5, Status.IN_REVIEW, ["cheap", "strong"]),
    ],
)
def test_a_post_is_accepted_over_095_reviewed_from_07_and_else_shown_to_a_second_model(
    confidence: float, status: Status, asked: list[str]
) -> None:
    cheap = says(as_sure_as(confidence, "moderation_item", POST, label="neither"))
    strong = says({"label": reading("offensive_language", POST[:20], 0.9)})
    verdict, scoring, names = run("moderation_item", POST, cheap=cheap, strong=strong)
    assert (verdict.status, names) == (status, asked)
    if len(asked) == 1:
        assert [one.outcome for one in scoring.steps] == ["unsure", "answered"], "the first model's answer is enough"
        assert verdict.confidence == pytest.approx(confidence)
        assert verdict.reasons == (() if status is Status.ACCEPTED else ("low_confidence:label",))
    else:
        assert verdict.confidence < confidence, "the second model disagrees"


def test_a_post_whose_label_is_sure_is_shown_to_no_second_model_for_a_doubtful_ground() -> None:
    cheap = as_sure_as(0.85, "moderation_item", POST, label="neither")
    cheap["grounds"] = FieldReading(value=["spam"], confidence=0.5, signals=Signals(stated=0.5))
    strong = says({"label": reading("offensive_language", POST[:20], 0.9)})
    verdict, scoring, names = run("moderation_item", POST, cheap=says(cheap), strong=strong)
    assert names == ["cheap"]
    assert [one.outcome for one in scoring.steps] == ["unsure", "unsure", "skipped"]
    assert set(verdict.reasons) == {"low_confidence:label", "ungrounded:grounds"}


@pytest.mark.parametrize(("confidence", "status"), [(0.79, Status.IN_REVIEW), (0.81, Status.ACCEPTED)])
def test_a_ticket_is_reviewed_under_08(confidence: float, status: Status) -> None:
    values = as_sure_as(confidence, "support_ticket", TICKET, intent="card_arrival", team="cards", urgency="normal")
    draft = {"draft_reply": FieldReading(value="It is on its way.", confidence=0.9, signals=Signals(stated=0.9))}
    tone = CriterionReading(name="tone", grade=0.9, confidence=0.9)
    verdict, _, names = run("support_ticket", TICKET, cheap=says(values | draft, (tone,)))
    assert (verdict.status, names) == (status, ["cheap"])
    assert verdict.confidence == pytest.approx(confidence)
    kinds = {reason.partition(":")[0] for reason in verdict.reasons}
    assert kinds == (set() if status is Status.ACCEPTED else {"low_confidence"})
    assert verdict.confidences["draft_reply"] == UNSUPPORTED_CEILING, "tone judges the draft, and has nothing to quote"


@pytest.mark.parametrize(
    ("quote", "score", "is_believed"),
    [("", 0.0, False), ("Led forty analysts", 0.0, False), ("leading a team", 100.0, True)],
)
def test_a_resume_is_graded_by_what_it_says_and_not_by_what_a_model_says_of_it(
    quote: str, score: float, is_believed: bool
) -> None:
    rubric = TYPES["resume"].rubric
    assert rubric is not None
    quotes = (Evidence(page=1, quote=quote),) if quote else ()
    grades = [CriterionReading(name=one.name, grade=1.0, confidence=0.95, evidence=quotes) for one in rubric.criteria]
    strong = says({"category": reading("ACCOUNTANT", "ACCOUNTANT", 0.9)}, grades)
    verdict, scoring, names = run("resume", RESUME, strong=strong)
    assert names == ["strong"]
    assert (verdict.score, scoring.score) == (score, score)
    assert {one.is_grounded for one in scoring.criteria} == {is_believed}
    ungrounded = [reason for reason in verdict.reasons if reason.startswith("ungrounded:")]
    assert ungrounded == ([] if is_believed else [f"ungrounded:{one.name}" for one in rubric.criteria])


def test_a_resume_that_earns_nothing_by_a_model_needs_no_quote_for_that() -> None:
    rubric = TYPES["resume"].rubric
    assert rubric is not None
    grades = [CriterionReading(name=one.name, grade=0.0, confidence=0.9) for one in rubric.criteria]
    strong = says({"category": reading("ACCOUNTANT", "ACCOUNTANT", 0.9)}, grades)
    verdict, scoring, _ = run("resume", RESUME, strong=strong)
    assert (verdict.score, {one.is_grounded for one in scoring.criteria}) == (0.0, {True})
    assert not any(reason.startswith("ungrounded") for reason in verdict.reasons)


def test_the_built_in_model_grades_a_resume_by_shared_words_too_where_there_is_nothing_to_quote() -> None:
    text = "Summary\nTurns figures into decisions: decisions on levels of service, budgets for clients."
    verdict, scoring, names = run("resume", text)
    assert names == []
    unquoted = [one for one in scoring.criteria if not one.evidence]
    assert unquoted
    assert all(one.grade > 0 and one.is_grounded for one in unquoted)
    assert verdict.score
    assert not any(reason.startswith("ungrounded") for reason in verdict.reasons)
