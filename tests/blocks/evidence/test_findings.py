from blocks.document_types.schema import Criterion, DocumentField, DocumentType, FieldType, Rubric
from blocks.evidence.confidence import OWN_WORD, UNGROUNDED_CEILING
from blocks.evidence.findings import find_fields
from blocks.records import CriterionReading, Evidence, FieldReading, Page, Signals

TICKET = DocumentType(
    name="ticket",
    title="Ticket",
    fields={
        "amount": DocumentField(type=FieldType.MONEY),
        "answer": DocumentField(type=FieldType.TEXT, written=True),
    },
    rubric=Rubric(criteria=(Criterion(name="tone", description="Polite.", judges="answer"),)),
)
PAGES = (Page(number=1, method="parsed", text="I was charged 12.00 twice"),)
SURE = Signals(stated=0.99, witness=0.9, rival=0.02)


def amount(value: str, quote: str, signals: Signals | None) -> FieldReading:
    return FieldReading(value=value, confidence=0.9, evidence=(Evidence(page=1, quote=quote),), signals=signals)


def test_a_models_confidence_is_that_of_its_signals() -> None:
    found = find_fields(TICKET, {"amount": amount("12.00", "charged 12.00", SURE)}, PAGES)["amount"]
    assert found.confidence > 0.95
    alone = find_fields(TICKET, {"amount": amount("12.00", "charged 12.00", Signals(stated=1.0))}, PAGES)["amount"]
    assert alone.confidence <= OWN_WORD + 1e-9


def test_a_value_that_its_quote_does_not_say_is_ungrounded_however_sure_the_model_is() -> None:
    found = find_fields(TICKET, {"amount": amount("21.00", "charged 12.00", SURE)}, PAGES)["amount"]
    assert (found.problem, found.confidence) == ("ungrounded", UNGROUNDED_CEILING)


def test_the_built_in_readers_reading_keeps_its_own_confidence() -> None:
    assert find_fields(TICKET, {"amount": amount("12.00", "12.00", None)}, PAGES)["amount"].confidence == 0.9


def test_a_written_text_needs_no_quote_and_is_as_sure_as_its_grade() -> None:
    readings = {"answer": FieldReading(value="We are sorry.", confidence=0.99, signals=Signals(stated=0.99))}
    unjudged = find_fields(TICKET, readings, PAGES)["answer"]
    assert (unjudged.problem, unjudged.confidence, unjudged.value) == (None, OWN_WORD, "We are sorry.")
    graded = (CriterionReading(name="tone", grade=0.6, confidence=0.8),)
    assert find_fields(TICKET, readings, PAGES, graded)["answer"].confidence == 0.6
