"""Enum fields and rubrics of the built-in reader: values, evidence that is literal text, confidence, and grades."""

from collections import Counter

import pytest

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import (
    Criterion,
    DocumentField,
    DocumentType,
    Example,
    FieldHints,
    FieldType,
    Rubric,
    TaughtExample,
)
from blocks.evidence.grounding import check
from blocks.evidence.traces import Remembered, Trace
from blocks.reader.enums import read_enum
from blocks.reader.rubric import grade
from blocks.records import FieldReading, Page, Words
from blocks.settings import PROJECT_DIR


def page(text: str, number: int = 1) -> Page:
    return Page(number=number, method="parsed", text=text)


def read(document_type: DocumentType, name: str, *pages: Page) -> FieldReading | None:
    return read_enum(name, document_type.fields[name], document_type, pages)[0]


def type_with(field: DocumentField, *examples: Example) -> DocumentType:
    return DocumentType(name="parcel", title="Parcel", fields={"state": field}, examples=examples)


@pytest.fixture(scope="module")
def shipped() -> dict[str, DocumentType]:
    return load_document_types(PROJECT_DIR / "data" / "document_types")


def test_an_intent_is_read_with_the_words_for_it(shipped: dict[str, DocumentType]) -> None:
    ticket = shipped["support_ticket"]
    text = "Good morning to all of you. Somebody stole my wallet and my card was in it."
    reading = read(ticket, "intent", page(text))
    assert reading is not None
    assert reading.value == "lost_or_stolen_card"
    assert reading.evidence[0].quote in text
    assert "stole" in reading.evidence[0].quote
    urgency = read(ticket, "urgency", page(text))
    assert urgency is not None
    assert urgency.value == "urgent"


def test_a_resume_is_sorted_by_its_title_before_its_history(shipped: dict[str, DocumentType]) -> None:
    text = "HEAD CHEF\nSummary\nSold cars in his youth: sales goals, cold calling, for three years.\n"
    reading = read(shipped["resume"], "category", page(text + "Cooking since. Kitchen, menus, food cost.\n"))
    assert reading is not None
    assert reading.value == "CHEF"


def test_a_masked_slur_is_recognised_and_quoted(shipped: dict[str, DocumentType]) -> None:
    reading = read(shipped["moderation_item"], "label", page("you are such a f*ggot, everyone laughs at you"))
    assert reading is not None
    assert reading.value == "hate_speech"
    assert "f*ggot" in reading.evidence[0].quote


def test_a_bird_is_no_insult(shipped: dict[str, DocumentType]) -> None:
    reading = read(shipped["moderation_item"], "label", page("I saw a blue bird in the yard today"))
    assert reading is not None
    assert reading.value == "neither"


@pytest.mark.parametrize(("kind", "field"), [("support_ticket", "intent"), ("support_ticket", "team")])
def test_every_value_has_examples(shipped: dict[str, DocumentType], kind: str, field: str) -> None:
    taught = Counter(example.labels[field] for example in shipped[kind].examples if field in example.labels)
    assert set(taught) == set(shipped[kind].fields[field].enum)
    assert min(taught.values()) >= 5


def test_a_printed_value_beside_its_label_wins_over_the_classifier() -> None:
    field = DocumentField(type=FieldType.ENUM, enum=("in_transit", "delivered"), aliases=("Status", "State"))
    examples = (Example(text="it was delivered", labels={"state": "delivered"}),)
    text = "Parcel 17\nStatus: In Transit\nIt will soon be delivered, delivered, delivered."
    parcel = type_with(field, *examples)
    reading = read(parcel, "state", page(text))
    assert reading is not None
    assert (reading.value, reading.confidence) == ("in_transit", 0.95)
    assert reading.evidence[0].quote == "Status: In Transit"
    assert check(field, reading, (page(text),)).is_grounded


def test_values_of_a_new_type_are_known_by_their_own_words() -> None:
    parcel = type_with(DocumentField(type=FieldType.ENUM, enum=("lost", "delivered", "damaged")))
    reading = read(parcel, "state", page("We are sorry: the parcel arrived damaged."))
    assert reading is not None
    assert reading.value == "damaged"
    assert "damaged" in reading.evidence[0].quote


def test_nothing_is_read_where_no_word_counts_for_any_value() -> None:
    parcel = type_with(DocumentField(type=FieldType.ENUM, enum=("lost", "delivered")))
    assert read(parcel, "state", page("123 456")) is None
    assert read(parcel, "state", page("  \n ")) is None
    assert read(parcel, "state") is None


def test_evidence_names_its_page_and_the_box_of_its_words() -> None:
    parcel = type_with(DocumentField(type=FieldType.ENUM, enum=("lost", "delivered")))
    text = "it was lost"
    words = Words(spans=((0, 2), (3, 6), (7, 11)), boxes=((0, 0, 10, 9), (12, 0, 30, 9), (32, 0, 50, 9)))
    second = Page(number=2, method="ocr", text=text, width=100, height=100, words=words)
    reading = read(parcel, "state", page("Parcel 17"), second)
    assert reading is not None
    (evidence,) = reading.evidence
    assert (evidence.page, evidence.quote, evidence.box) == (2, "lost", (32, 0, 50, 9))


def test_a_list_field_names_its_entries_by_their_keywords(shipped: dict[str, DocumentType]) -> None:
    hints: FieldHints = shipped["moderation_item"].fields["grounds"].hints
    assert {"racial_slur", "threat", "profanity"} <= set(hints.keywords)


RUBRIC = Rubric(
    reference="We look for somebody who plans budgets and leads people.",
    criteria=(
        Criterion(name="money", weight=2, description="Plans budgets.", keywords=("budget*", "forecasting")),
        Criterion(name="languages", weight=1, description="Speaks languages.", keywords=("Spanish", "French")),
    ),
)


def test_a_criterion_is_graded_by_what_is_named_and_quotes_the_line() -> None:
    pages = (page("Jane\nPlanned budgets of two departments\nForecasting and reports"), page("Hobbies", 2))
    money, languages = grade(RUBRIC, pages)
    assert money.grade > 0.8
    assert languages.grade < 0.3
    assert [evidence.quote for evidence in money.evidence] == [
        "Planned budgets of two departments",
        "Forecasting and reports",
    ]
    assert languages.evidence == ()
    assert money.confidence > languages.confidence


def test_grades_grow_with_what_is_named() -> None:
    texts = ("nothing", "budgets", "budgets and forecasting")
    grades = [grade(RUBRIC, (page(text),))[0].grade for text in texts]
    assert grades == sorted(set(grades))
    assert grades[0] >= 0
    assert grades[-1] <= 1


def test_a_rubric_without_a_reference_goes_by_keywords_alone() -> None:
    alone = RUBRIC.model_copy(update={"reference": ""})
    assert grade(alone, (page("Spanish and French"),))[1].grade == 1.0
    assert grade(alone, (page("neither"),))[1].grade == 0.0


def test_the_examples_of_an_intent_agree_on_team_and_urgency(shipped: dict[str, DocumentType]) -> None:
    answers: dict[str, set[tuple[str, str]]] = {}
    for example in shipped["support_ticket"].examples:
        if intent := example.labels.get("intent"):
            answers.setdefault(intent, set()).add((example.labels["team"], example.labels["urgency"]))
    assert {intent: found for intent, found in answers.items() if len(found) > 1} == {}
    assert answers["transaction_charged_twice"] == {("payments", "high")}


@pytest.mark.parametrize(
    "text",
    [
        "I was double charged at a restaurant can you take the second charge off?",
        "Hi team, the shop booked the same purchase two times. Please reverse the second payment. Regards, Kit",
    ],
)
def test_a_double_charge_goes_to_the_payments_team(shipped: dict[str, DocumentType], text: str) -> None:
    team = read(shipped["support_ticket"], "team", page(text))
    assert team is not None
    assert team.value == "payments"


def test_decided_documents_vote_where_their_texts_have_not_taught_the_classifier() -> None:
    examples = (Example(text="the parcel is at the door", labels={"state": "here"}),)
    field = DocumentField(type=FieldType.ENUM, enum=("here", "lost"))
    parcel, pages = type_with(field, *examples), (page("nobody has seen the parcel at the depot"),)
    votes = tuple(Remembered(likeness=1.0, fields={"state": Trace(value="lost")}) for _ in range(8))
    lesson = TaughtExample(text="the parcel never came to the depot", labels={"state": "lost"})
    for known, do_votes_count in ((parcel, True), (type_with(field, *examples, lesson), False)):
        alone, beside = (read_enum("state", field, known, pages, found)[1] for found in ((), votes))
        assert alone
        assert (alone != beside) == do_votes_count
