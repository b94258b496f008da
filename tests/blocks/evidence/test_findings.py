import pytest

from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import Criterion, DocumentField, DocumentType, FieldType, Rubric
from blocks.evidence.confidence import UNGROUNDED_CEILING, UNSUPPORTED_CEILING
from blocks.evidence.findings import (
    NOTHING,
    FieldFinding,
    check_criteria,
    deciding_fields,
    find_fields,
    gaps,
    problems,
)
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
    assert alone.confidence <= UNSUPPORTED_CEILING + 1e-9


def test_a_value_that_its_quote_does_not_say_is_ungrounded_however_sure_the_model_is() -> None:
    found = find_fields(TICKET, {"amount": amount("21.00", "charged 12.00", SURE)}, PAGES)["amount"]
    assert (found.problem, found.confidence) == ("ungrounded", UNGROUNDED_CEILING)


def test_the_built_in_readers_reading_keeps_its_own_confidence() -> None:
    assert find_fields(TICKET, {"amount": amount("12.00", "12.00", None)}, PAGES)["amount"].confidence == 0.9


def test_a_written_text_needs_no_quote_and_is_as_sure_as_its_grade() -> None:
    readings = {"answer": FieldReading(value="We are sorry.", confidence=0.99, signals=Signals(stated=0.99))}
    unjudged = find_fields(TICKET, readings, PAGES)["answer"]
    assert (unjudged.problem, unjudged.confidence, unjudged.value) == (None, UNSUPPORTED_CEILING, "We are sorry.")
    graded = (CriterionReading(name="tone", grade=0.6, confidence=0.8),)
    assert find_fields(TICKET, readings, PAGES, graded)["answer"].confidence == 0.6


def test_every_field_of_the_type_has_a_finding_and_no_other_name_has() -> None:
    found = find_fields(TICKET, {"amount": amount("12.00", "12.00", None), "colour": FieldReading(value="red")}, PAGES)
    assert list(found) == ["amount", "answer"]
    assert found["answer"] == NOTHING
    assert found["amount"].evidence == (Evidence(page=1, quote="12.00"),)


@pytest.mark.parametrize(("signals", "is_of_model"), [(SURE, True), (None, False)])
def test_a_reading_with_signals_is_a_models(signals: Signals | None, *, is_of_model: bool) -> None:
    found = find_fields(TICKET, {"amount": amount("12.00", "12.00", signals)}, PAGES)["amount"]
    assert (found.value, found.problem, found.is_of_model) == ("12.00", None, is_of_model)


def test_what_is_no_value_of_the_field_is_invalid_and_keeps_its_evidence() -> None:
    found = find_fields(TICKET, {"amount": amount("a lot", "12.00", SURE)}, PAGES)["amount"]
    assert found == FieldFinding(evidence=(Evidence(page=1, quote="12.00"),), problem="invalid", raw="a lot")


TAGS = DocumentType(
    name="tags",
    title="Tags",
    languages=("de",),
    fields={
        "tags": DocumentField(type=FieldType.LIST),
        "status": DocumentField(type=FieldType.ENUM, enum=("open", "done"), default="open"),
        "sum": DocumentField(type=FieldType.MONEY),
    },
)


LETTER = DocumentType(
    name="letter",
    title="Letter",
    fields={
        "sender": DocumentField(type=FieldType.TEXT),
        "topics": DocumentField(type=FieldType.LIST),
        "goods": DocumentField(
            type=FieldType.TABLE,
            columns={"name": DocumentField(type=FieldType.TEXT), "pieces": DocumentField(type=FieldType.INTEGER)},
        ),
    },
)


@pytest.mark.parametrize("written", ["K\ufffdhler GmbH", "K\x81hler GmbH", "K\x1bhler GmbH"])
def test_a_text_with_characters_that_could_not_be_read_is_invalid(written: str) -> None:
    pages = (Page(number=1, method="parsed", text=f"{written}\nK\u00f6hler\u00a0GmbH"),)
    quote = (Evidence(page=1, quote=written),)
    readings = {
        "sender": FieldReading(value=written, confidence=0.9, evidence=quote),
        "topics": FieldReading(value=["offer", written], confidence=0.9, evidence=quote),
        "goods": FieldReading(value=[{"name": written, "pieces": "4"}], confidence=0.9, evidence=quote),
    }
    found = find_fields(LETTER, readings, pages)
    assert problems(found) == {"sender": "invalid", "topics": "invalid", "goods": "invalid"}
    assert (found["sender"].value, found["sender"].raw) == (None, " ".join(written.split()))
    assert (found["goods"].value, found["goods"].raw) == ([{"name": None, "pieces": 4}], " ".join(written.split()))
    fine = FieldReading(
        value="K\u00f6hler\u00a0GmbH", confidence=0.9, evidence=(Evidence(page=1, quote="K\u00f6hler\u00a0GmbH"),)
    )
    assert find_fields(LETTER, {"sender": fine}, pages)["sender"].value == "K\u00f6hler GmbH"


def test_an_empty_text_or_list_is_nothing() -> None:
    readings = {"tags": FieldReading(value=[], confidence=0.9), "sum": FieldReading(value="  ", confidence=0.9)}
    found = find_fields(TAGS, readings, PAGES)
    assert found["tags"] == found["sum"] == NOTHING


def test_values_are_typed_as_the_languages_of_the_type_write_them() -> None:
    pages = (Page(number=1, method="parsed", text="Summe 1.234 und rot, grün"),)
    readings = {
        "sum": FieldReading(value="1.234", confidence=0.9, evidence=(Evidence(page=1, quote="Summe 1.234"),)),
        "tags": FieldReading(value="rot, grün,Rot", confidence=0.9, evidence=(Evidence(page=1, quote="rot, grün"),)),
    }
    found = find_fields(TAGS, readings, pages)
    assert (found["sum"].value, found["sum"].problem) == ("1234.00", None)
    assert (found["tags"].value, found["tags"].problem) == (["rot", "grün"], None)


def status(value: str, *quotes: str) -> FieldFinding:
    evidence = tuple(Evidence(page=1, quote=quote) for quote in quotes)
    readings = {"status": FieldReading(value=value, confidence=0.9, evidence=evidence)}
    return find_fields(TAGS, readings, PAGES)["status"]


def test_a_default_without_a_quote_is_no_problem_but_unsure() -> None:
    assert (status("open").is_default, status("open").problem) == (True, None)
    assert status("open").confidence == UNGROUNDED_CEILING
    assert (status("done").is_default, status("done").problem) == (False, "ungrounded")
    assert (status("open", "charged").is_default, status("open", "charged").confidence) == (False, 0.9)
    assert status("open", "not there").problem == "ungrounded"


def a_type(required: tuple[str, ...], accept_at: float = 0.9, accept_models_at: float | None = None) -> DocumentType:
    return DocumentType(
        name="pair",
        title="Pair",
        fields={name: DocumentField(type=FieldType.TEXT, required=name in required) for name in ("first", "second")},
        review=ReviewRules(accept_at=accept_at, accept_models_at=accept_models_at),
    )


READ = FieldFinding("x", 0.95)


@pytest.mark.parametrize(
    ("required", "second", "deciding"),
    [
        (("first",), READ, ("first",)),
        (("first", "second"), NOTHING, ("first", "second")),
        ((), READ, ("second",)),
        ((), NOTHING, ("first", "second")),
    ],
)
def test_required_fields_decide_else_those_read_else_all(
    required: tuple[str, ...], second: FieldFinding, deciding: tuple[str, ...]
) -> None:
    assert deciding_fields(a_type(required), {"first": NOTHING, "second": second}) == deciding


@pytest.mark.parametrize(
    ("finding", "gap"),
    [
        (NOTHING, "missing"),
        (FieldFinding("x", 0.9), None),
        (FieldFinding("x", 0.89), "low_confidence"),
        (FieldFinding("x", 0.0, is_default=True), "low_confidence"),
        (FieldFinding("x", 0.94, is_of_model=True), "low_confidence"),
        (FieldFinding("x", 0.95, is_of_model=True), None),
        (FieldFinding("x", 0.1, problem="ungrounded"), None),
        (FieldFinding(problem="invalid"), None),
    ],
)
def test_a_deciding_field_needs_what_the_type_accepts_at(finding: FieldFinding, gap: str | None) -> None:
    document_type = a_type(("first",), accept_models_at=0.95)
    assert gaps(document_type, {"first": finding, "second": NOTHING}).get("first") == gap


@pytest.mark.parametrize(
    ("finding", "gap"),
    [
        (NOTHING, None),
        (FieldFinding("x", 0.5), None),
        (FieldFinding("x", 0.49), "low_confidence"),
        (FieldFinding("x", 0.5, is_of_model=True), None),
        (FieldFinding("x", 0.49, is_of_model=True), "low_confidence"),
        (FieldFinding("x", 0.0, is_default=True), None),
        (FieldFinding("x", 0.1, problem="ungrounded"), None),
    ],
)
def test_an_optional_field_must_be_likelier_right_than_wrong(finding: FieldFinding, gap: str | None) -> None:
    found = gaps(a_type(("first",)), {"first": READ, "second": finding})
    assert found == ({"second": gap} if gap else {})


def test_what_a_type_asks_of_a_model_is_never_below_what_it_asks_of_all() -> None:
    of_model = {"first": FieldFinding("x", 0.85, is_of_model=True), "second": NOTHING}
    assert gaps(a_type(("first",), accept_models_at=None), of_model) == {"first": "low_confidence"}
    assert gaps(a_type(("first",), accept_at=0.85), of_model) == {}
    assert gaps(a_type((), accept_at=0.3), {"first": READ, "second": FieldFinding("x", 0.3)}) == {}
    assert gaps(a_type(("first",), accept_at=0.3), {"first": READ, "second": FieldFinding("x", 0.3)}) == {}


def test_problems_are_named_by_field() -> None:
    found = {"first": FieldFinding("x", 0.1, problem="ungrounded"), "second": READ}
    assert problems(found) == {"first": "ungrounded"}


JUDGED = TICKET.model_copy(
    update={
        "rubric": Rubric(
            criteria=(
                Criterion(name="tone", description="Polite.", judges="answer"),
                Criterion(name="urgency", description="How urgent it is."),
            )
        )
    }
)


def grade(name: str, grade: float, *quotes: str, page: int = 1, sure: float = 0.9) -> CriterionReading:
    evidence = tuple(Evidence(page=page, quote=quote) for quote in quotes)
    return CriterionReading(name=name, grade=grade, confidence=sure, evidence=evidence)


@pytest.mark.parametrize(
    "grounded",
    [
        grade("urgency", 0.7, "charged 12.00"),
        grade("urgency", 0.7, "charged", "twice"),
        grade("urgency", 0.0),
        grade("tone", 0.7),
        grade("tone", 0.7, "not there"),
    ],
)
def test_a_grade_with_quotes_of_the_page_or_of_a_written_text_stays(grounded: CriterionReading) -> None:
    assert check_criteria(JUDGED, [grounded], PAGES) == (grounded,)


@pytest.mark.parametrize(
    "ungrounded",
    [
        grade("urgency", 0.7),
        grade("urgency", 0.7, "not there"),
        grade("urgency", 0.7, "charged", "not there"),
        grade("urgency", 0.7, "charged", page=2),
        grade("urgency", 0.0, "not there"),
        grade("urgency", 0.7, sure=0.1),
    ],
)
def test_a_grade_without_a_quote_becomes_zero_and_unsure(ungrounded: CriterionReading) -> None:
    (found,) = check_criteria(JUDGED, [ungrounded], PAGES)
    assert (found.grade, found.is_grounded) == (0.0, False)
    assert found.confidence == min(ungrounded.confidence, UNGROUNDED_CEILING)
    assert (found.name, found.evidence) == (ungrounded.name, ungrounded.evidence)


def test_grades_of_a_type_without_a_rubric_are_left_as_they_are() -> None:
    plain = TICKET.model_copy(update={"rubric": None})
    assert check_criteria(plain, [grade("urgency", 0.7)], PAGES) == (grade("urgency", 0.7),)
