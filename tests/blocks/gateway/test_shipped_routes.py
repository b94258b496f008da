"""The routes of the shipped types, walked with scripted models in the place of real ones."""

from collections.abc import Mapping

import pytest

from blocks.document_types.loader import load_document_types
from blocks.gateway.errors import ServerFailed
from blocks.gateway.model import ModelReply, Question
from blocks.gateway.routing.route import OUTAGE_WAIT_LIMIT_S, Routed
from blocks.records import CriterionReading, Evidence, FieldReading, Page, Signals
from blocks.settings import Settings
from tests.doubles.routed_models import Answer, ScriptedGateway, fails, model, take

TYPES = load_document_types(Settings().document_types_dir)
POST = "she thinks the clowns at the shop are ok tbh but nobody there knows what they do lol"
TICKET = "I still have not received my new card, it was sent two weeks ago. What is going on?"


def says(
    fields: Mapping[str, str], quote: str, grades: Mapping[str, float] | None = None, stated: float = 0.9
) -> Answer:
    def answer(question: Question) -> ModelReply:
        readings = {
            name: FieldReading(
                value=value,
                confidence=stated,
                evidence=(Evidence(page=1, quote=quote),),
                signals=Signals(stated=stated),
            )
            for name, value in fields.items()
            if name in question.request.asked
        }
        asked = {one.name for one in question.request.asked_criteria}
        graded = tuple(
            CriterionReading(name=name, grade=grade, confidence=0.9)
            for name, grade in (grades or {}).items()
            if name in asked
        )
        return ModelReply(fields=readings, criteria=graded)

    return answer


def walk(name: str, text: str, **answers: Answer) -> tuple[Routed, ScriptedGateway]:
    """The route of a shipped type; each model is the only one of the tier that is its name."""
    gateway = ScriptedGateway(answers, tuple(model(tier, tier=tier) for tier in answers))
    pages = (Page(number=1, method="parsed", text=text),)
    return take(gateway.assignment(TYPES[name], pages), gateway, OUTAGE_WAIT_LIMIT_S), gateway


def test_a_post_that_the_filter_is_unsure_of_is_judged_by_a_model_and_by_a_second_one() -> None:
    label = {"label": "neither"}
    routed, gateway = walk(
        "moderation_item", POST, cheap=says(label, "ok", stated=0.3), strong=says({"label": "offensive_language"}, "ok")
    )
    assert gateway.names == ["cheap", "strong"]
    assert routed.answer.fields["label"].value == "neither"
    assert "label" in routed.steps[-1].why.removeprefix("differing: ")
    signals = routed.answer.fields["label"].signals
    assert signals is not None
    assert len(signals.disagreeing) == 1


def test_a_ticket_gets_a_reply_and_one_in_the_wrong_tone_is_written_once_more() -> None:
    fields = {"intent": "card_arrival", "team": "cards", "urgency": "normal", "draft_reply": "Wait."}
    drafted = says(fields, TICKET[:30], {"tone": 0.9})
    routed, gateway = walk("support_ticket", TICKET, cheap=drafted)
    assert gateway.names == ["cheap"]
    assert routed.answer.fields["draft_reply"].value == "Wait."
    grumpy = says(fields, TICKET[:30], {"tone": 0.2})
    routed, gateway = walk("support_ticket", TICKET, cheap=grumpy)
    assert gateway.names == ["cheap", "cheap"]
    again = gateway.asked[1][1].request
    assert (again.variant, again.fields, again.written) == ("rewrite", ("draft_reply",), {"draft_reply": "Wait."})
    assert again.prompt == TYPES["support_ticket"].prompts["rewrite"]


def test_a_ticket_goes_to_the_strong_model_where_no_cheap_one_answers() -> None:
    drafted = says({"intent": "card_arrival", "draft_reply": "Soon."}, TICKET[:30], {"tone": 0.9})
    routed, gateway = walk("support_ticket", TICKET, cheap=fails(ServerFailed("cheap", 503)), strong=drafted)
    assert gateway.names == ["cheap", "strong"]
    assert (routed.answer.model, routed.failure) == ("strong@v1", None)


def test_a_resume_is_graded_by_the_strong_model_and_else_by_the_cheap_one() -> None:
    text = "ACCOUNTANT\nSummary\nAccountant with ten years of experience in budgets and reporting."
    grades = {one.name: 0.5 for one in TYPES["resume"].rubric.criteria} if TYPES["resume"].rubric else {}
    reads = says({"category": "ACCOUNTANT"}, "ACCOUNTANT", grades)
    routed, gateway = walk("resume", text, strong=reads, cheap=reads)
    assert (gateway.names, len(routed.answer.criteria)) == (["strong"], 6)
    _, gateway = walk("resume", text, strong=fails(ServerFailed("strong", 503)), cheap=reads)
    assert gateway.names == ["strong", "cheap"]


RECEIPT = "Receipt No: 4711\nTel 030 123456\nDate: 21/05/2024\nBread 4.00\nRolls 5.00\nTOTAL 9.00"
INVOICE = """INVOICE
Invoice number: INV-2024-17
Due date: 31/05/2024
Net total 100.00
VAT 19% 19.00
Total due EUR 119.00
IBAN DE89 3704 0044 0532 0130 00"""


@pytest.mark.parametrize(
    ("name", "text", "unsure"), [("receipt", RECEIPT, "company"), ("invoice", INVOICE, "seller_name")]
)
def test_a_bill_asks_models_for_what_is_unsure_and_for_what_a_reply_is_judged_by(
    name: str, text: str, unsure: str
) -> None:
    routed, gateway = walk(name, text, cheap=says({}, ""), strong=says({}, ""))
    assert gateway.names == ["cheap", "strong"]
    required = {field for field, one in TYPES[name].fields.items() if one.required}
    assert unsure in required, "the built-in model does not find it"
    for _, question in gateway.asked:
        assert set(question.request.asked) == required, "nothing optional that is sure, or that is not there"
    sure = {field for field, one in routed.answer.fields.items() if one.signals is None and one.confidence >= 0.8}
    assert sure >= ({"iban", "due_date", "tax_total"} if name == "invoice" else {"date", "total"})


def test_a_bill_of_which_the_built_in_model_is_sure_is_asked_of_nobody() -> None:
    routed, gateway = walk("receipt", f"Bakery Miller Ltd\n{RECEIPT}", cheap=says({}, ""))
    assert gateway.names == []
    assert routed.answer.fields["total"].value == "9.00"


def test_without_models_each_shipped_type_asks_the_built_in_one_and_nothing_else() -> None:
    for name in TYPES:
        routed, gateway = walk(name, POST)
        assert (gateway.names, routed.steps, routed.failure) == ([], (), None)
