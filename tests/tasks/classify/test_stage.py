"""The classify stage: types told apart, texts of no type, given types, fingerprints, and one document's trouble."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import ClassificationRules, DocumentField, DocumentType, Example, FieldType, Signal
from blocks.records import Classification, Document, Extraction, Outcome, Page, Stage
from blocks.settings import PROJECT_DIR
from tasks.classify.judge import TypeJudge, ordinary_texts
from tasks.classify.signals import MAX_ESTIMATED, MIN_ESTIMATED, compile_signals, signal_evidence
from tasks.classify.stage import ClassifyStage

RESUME = """SENIOR ACCOUNTANT
Professional Summary
Careful accountant with 9 years of experience.
Skills
Excel, payroll
Work History
Accountant 03/2012 to Current
Education
Associate of Arts, Business"""
INVOICE = """Sonnenhof GmbH
Rechnung
Rechnungsnummer: 2020-17
Rechnungsdatum: 03.02.2020
1 Stück Lampe 40,00
19 % Umsatzsteuer 7,60
Rechnungsbetrag 47,60 EUR
Zahlbar bis 17.02.2020, IBAN DE02120300000000202051"""
RECEIPT = """CORNER SHOP SDN BHD
CASH BILL
CASHIER: 02
BREAD 3.20
TOTAL 3.20
CASH 5.00
CHANGE 1.80
THANK YOU PLEASE COME AGAIN"""
TICKET = "My card was swallowed by the ATM this morning, how do I get it back?"
POST = "RT @someone: these new shoes are trash lol #fail http://t.co/abcdef"
LETTER = """Dear Mr Green,
thank you for your visit last week. We enjoyed showing you the old part of the mill and hope that the photographs
turned out well. The committee meets again in October, and you would be most welcome.
Yours sincerely"""
NOTE_OF_NO_TYPE = "The river rises in the hills to the east and reaches the sea after two hundred kilometres."


def plain_type(name: str, *signals: Signal, examples: tuple[Example, ...] = (), threshold: float = 0.5) -> DocumentType:
    rules = ClassificationRules(by_description=False, signals=signals, threshold=threshold)
    fields = {"title": DocumentField(type=FieldType.TEXT)}
    return DocumentType(name=name, title=name, fields=fields, classification=rules, examples=examples)


def document(name: str, text: str, given_type: str | None = None) -> Document:
    page = Page(number=1, method="parsed", text=text)
    extraction = Extraction(media_type="text/plain", pages=(page,), engine="test", language="eng")
    payload = extraction.model_dump_json().encode()
    digest = Outcome(name, payload=payload).digest or ""
    return Document(
        name,
        f"file:///{name}",
        "text/plain",
        len(text),
        given_type=given_type,
        digests={Stage.EXTRACT: digest},
        inputs={Stage.EXTRACT: payload},
    )


def verdict_of(outcome: Outcome) -> Classification:
    assert outcome.payload is not None, outcome.failure
    return Classification.model_validate_json(outcome.payload)


@pytest.fixture(scope="module")
def shipped() -> dict[str, DocumentType]:
    return load_document_types(PROJECT_DIR / "data" / "document_types")


@pytest.fixture(scope="module")
def stage(shipped: dict[str, DocumentType]) -> ClassifyStage:
    return ClassifyStage(shipped)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RESUME, "resume"),
        (INVOICE, "invoice"),
        (RECEIPT, "receipt"),
        (TICKET, "support_ticket"),
        (POST, "moderation_item"),
        (LETTER, "unknown"),
        (NOTE_OF_NO_TYPE, "unknown"),
        ("", "unknown"),
        ("A", "unknown"),
    ],
)
def test_the_shipped_types_are_told_apart(stage: ClassifyStage, text: str, expected: str) -> None:
    (outcome,) = stage.work([document("one", text)])
    verdict = verdict_of(outcome)
    assert verdict.document_type == expected
    assert 0.5 <= verdict.confidence <= 1
    assert set(verdict.scores) == {"invoice", "moderation_item", "receipt", "resume", "support_ticket", "unknown"}


def test_a_chunk_gets_the_verdicts_that_its_documents_get_alone(stage: ClassifyStage) -> None:
    documents = [document(str(number), text) for number, text in enumerate([RESUME, TICKET, POST, LETTER, RECEIPT])]
    together = {outcome.document_id: outcome.payload for outcome in stage.work(documents)}
    alone = {one.document_id: next(iter(stage.work([one]))).payload for one in documents}
    assert together == alone


def test_signals_that_decide_spare_the_classifier(
    shipped: dict[str, DocumentType], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = TypeJudge(shipped)
    monkeypatch.setattr("tasks.classify.judge.train", lambda *_: pytest.fail("the classifier was asked"))
    (verdict,) = judge.judge([RESUME])
    assert (verdict.document_type, verdict.method) == ("resume", "signals")


def test_a_type_of_ones_own_with_nothing_but_signals_works(shipped: dict[str, DocumentType]) -> None:
    slip = plain_type(
        "delivery_note", Signal(phrase="delivery note", weight=2), Signal(phrase="goods received", weight=2)
    )
    text = "DELIVERY  NOTE no 12\nGoods received in full by ______"
    (verdict,) = TypeJudge({**shipped, "delivery_note": slip}).judge([text])
    assert verdict.document_type == "delivery_note"
    (verdict,) = TypeJudge({"delivery_note": slip}).judge([text])
    assert (verdict.document_type, verdict.method) == ("delivery_note", "signals")


def test_a_type_of_ones_own_with_nothing_but_examples_works() -> None:
    examples = tuple(
        Example(text=f"Minutes of the {body}. Present: {who}. The {body} resolved to {what}. Meeting closed at nine.")
        for body, who, what in (
            ("parish council", "Ann, Bob", "mend the bridge"),
            ("works council", "Cleo, Dan", "buy new chairs"),
            ("sports club", "Eve, Fay", "plant a hedge"),
        )
    )
    judge = TypeJudge({"minutes": plain_type("minutes", examples=examples)})
    minutes, other = judge.judge(
        ["Minutes of the choir. Present: Gus, Hal. The choir resolved to hire a hall. Meeting closed at eight.", LETTER]
    )
    assert (minutes.document_type, minutes.method) == ("minutes", "classifier")
    assert other.document_type == "unknown"


def test_under_the_threshold_of_a_type_there_is_no_type() -> None:
    signal = Signal(phrase="memo", weight=3.5)
    (bold,) = TypeJudge({"memo": plain_type("memo", signal, threshold=0.5)}).judge(["A memo"])
    (careful,) = TypeJudge({"memo": plain_type("memo", signal, threshold=0.9)}).judge(["A memo"])
    assert (bold.document_type, careful.document_type) == ("memo", "unknown")
    assert bold.confidence + careful.confidence == pytest.approx(1.0)


def test_without_any_type_everything_is_unknown() -> None:
    (verdict,) = TypeJudge({}).judge(["Invoice number 12"])
    assert (verdict.document_type, verdict.confidence) == ("unknown", 1.0)


def test_a_weight_that_is_not_given_is_estimated_from_other_types() -> None:
    slip = plain_type("slip", Signal(phrase="yard slip"), Signal(phrase="date"), Signal(phrase="total"))
    others = {"note": ["Date 1", "Date 2", "Total 3", "no"], "unknown": ["a letter"] * 9 + ["date"]}
    rare, frequent, half = (signal.weight for signal in compile_signals(slip, others))
    assert rare == MAX_ESTIMATED
    assert frequent == MIN_ESTIMATED  # in half of the notes, as often as in slips
    assert half == pytest.approx(math.log(2))


def test_two_signals_without_weights_decide_and_one_does_not() -> None:
    slip = plain_type("slip", Signal(phrase="yard slip"), Signal(phrase="taken in by"))
    both, single = TypeJudge({"slip": slip}).judge(["Yard slip 4\ntaken in by M. Ray", "The yard slip is blue."])
    assert (both.document_type, single.document_type) == ("slip", "unknown")
    assert single.scores["slip"] == pytest.approx(0.289, abs=0.001)


def test_a_phrase_counts_once_and_at_the_edges_of_words() -> None:
    signals = compile_signals(
        plain_type("x", Signal(phrase="sub total", weight=2), Signal(pattern=r"\d{4}", weight=-1))
    )
    assert signal_evidence(signals, "Sub\nTotal ... SUB TOTAL") == 2
    assert signal_evidence(signals, "subtotal of 2020") == -1


REMITTANCE = """Contoso Ltd

REMITTANCE ADVICE

Invoice number: 4711
Invoice date: 12/03/2024
Total: 120.00 EUR
"""


@pytest.mark.parametrize(
    ("text", "remark"),
    [(REMITTANCE, "titled remittance advice"), ("VOID\n\n" + INVOICE, "marked void"), (INVOICE, None)],
)
def test_a_type_that_a_run_was_given_is_doubted_where_the_title_or_a_mark_contradicts_it(
    stage: ClassifyStage, text: str, remark: str | None
) -> None:
    given = document("one", text, given_type="invoice")
    verdict = verdict_of(next(iter(stage.work([given]))))
    assert (verdict.document_type, verdict.method, verdict.remark) == ("invoice", "given", remark)
    assert verdict.confidence == (1.0 if remark is None else 0.5)
    decided = verdict_of(next(iter(stage.work([dataclasses.replace(given, is_type_decided=True)]))))
    assert (decided.confidence, decided.remark) == (1.0, None), "a person who saw the document is not doubted"


def test_a_given_type_that_is_no_longer_there_is_a_failure_that_names_those_that_are(stage: ClassifyStage) -> None:
    (outcome,) = stage.work([document("one", RECEIPT, given_type="recipe")])
    assert outcome.failure is not None
    assert outcome.failure.kind == "document_type_unknown"
    assert "receipt" in outcome.failure.message


def test_one_broken_extraction_costs_that_document_alone(stage: ClassifyStage) -> None:
    broken = dataclasses.replace(document("broken", "x"), inputs={Stage.EXTRACT: b'{"pages": [{}]}'})
    outcomes = {
        outcome.document_id: outcome for outcome in stage.work([document("a", RESUME), broken, document("b", TICKET)])
    }
    assert outcomes["broken"].failure is not None
    assert outcomes["broken"].failure.kind == "internal"
    assert verdict_of(outcomes["a"]).document_type == "resume"
    assert verdict_of(outcomes["b"]).document_type == "support_ticket"


def test_fingerprints_change_with_what_classify_reads_and_nothing_else(shipped: dict[str, DocumentType]) -> None:
    before = ClassifyStage(shipped)
    resume = shipped["resume"]
    reworded = DocumentType.model_validate(resume.model_dump() | {"prompts": {"default": "Another prompt"}})
    taught = DocumentType.model_validate(
        resume.model_dump() | {"examples": (*resume.examples, Example(text="CV of A. Person"))}
    )
    one, given = document("one", RECEIPT), document("one", RECEIPT, given_type="resume")
    same, other = ClassifyStage({**shipped, "resume": reworded}), ClassifyStage({**shipped, "resume": taught})
    assert before.fingerprint(one) == same.fingerprint(one)
    assert before.fingerprint(one) != other.fingerprint(one)
    assert before.fingerprint(given) == same.fingerprint(given) != other.fingerprint(given)
    decided = dataclasses.replace(given, is_type_decided=True)
    assert before.fingerprint(decided) == other.fingerprint(decided)
    assert before.fingerprint(one) != before.fingerprint(document("one", INVOICE))
    assert before.configuration == same.configuration != other.configuration


def test_the_payload_is_the_same_bytes_every_time(stage: ClassifyStage, shipped: dict[str, DocumentType]) -> None:
    first = next(iter(stage.work([document("one", TICKET)]))).payload
    second = next(iter(ClassifyStage(shipped).work([document("one", TICKET)]))).payload
    assert first == second


def test_no_ordinary_text_stands_twice() -> None:
    assert len(set(ordinary_texts())) == len(ordinary_texts()) > 80


def test_examples_are_of_the_licences_that_their_readme_names() -> None:
    folder = PROJECT_DIR / "data" / "document_types" / "support_ticket"
    assert "CC BY 4.0" in (folder / "README.md").read_text() or "Attribution 4.0" in (folder / "README.md").read_text()
    posts = Path(PROJECT_DIR / "data" / "document_types" / "moderation_item" / "examples" / "posts.jsonl")
    texts = [json.loads(line)["text"] for line in posts.read_text(encoding="utf-8").splitlines()]
    assert len(set(texts)) == len(texts) > 150


MAIL = """From: Ottla Brandt <ottla@example.com>
To: help@example.org
Subject: Lamp arrived broken

Good morning,

the lamp that I ordered last week arrived with a broken shade. My order number is 55-1203. Could you send me a new one
or refund me?

Kind regards,
Ottla Brandt"""
FORM = """Contact form
Name: Teo Marsh
Subject: Locked out
Message: I have mistyped my PIN three times and now the app says it is blocked. Please help me to unblock it."""
QUESTIONS = (
    "How do I activate my new card?",
    "My transfer to my sister has not arrived yet, why?",
    "Why was I charged a fee for the cash withdrawal?",
    "Can I top up my account with a cheque?",
    "The refund for my return is still not on my card.",
)


@pytest.mark.parametrize(
    "text",
    [
        MAIL,
        FORM,
        "My parcel has not arrived, the tracking says delivered. Where is it?",
        "The app crashes when I open my order. Please fix it or refund my subscription.",
        "I was charged twice for the same dinner. Please reverse the second payment.",
    ],
)
def test_requests_of_customers_are_tickets_in_whatever_form_they_come(stage: ClassifyStage, text: str) -> None:
    (outcome,) = stage.work([document("one", text)])
    assert verdict_of(outcome).document_type == "support_ticket"


@pytest.mark.parametrize(
    "text",
    [
        "what a night, we danced until the lights went on and my feet are finished",
        "those people are filth, throw them out of the country, every one of them",
        "my landlord is a lying piece of crap, no heating since monday and he laughs about it",
        "just got back from the lake, sunburnt but happy, ice cream now",
    ],
)
def test_posts_need_neither_handle_nor_hashtag(stage: ClassifyStage, text: str) -> None:
    (outcome,) = stage.work([document("one", text)])
    assert verdict_of(outcome).document_type == "moderation_item"


@pytest.mark.parametrize(
    "text",
    [
        "Dear Ms Roth, we confirm your appointment on Monday at nine. Please bring your papers. Yours sincerely",
        "Hi Ben, can you send me the slides before the meeting? Thanks, Ada",
        "From: Kim <kim@example.com>\nTo: Lee <lee@example.com>\nSubject: Re: lunch\n\nThursday works for me.\n\nKim",
        "Your order has been shipped. You can follow the parcel with the link below.",
        "This is a multi-part message in MIME format.",
        "Minutes of the board. The budget for next year was approved with two abstentions.",
        "How do I turn a list of strings into numbers without a loop?",
    ],
)
def test_letters_notices_and_notes_are_of_no_type(stage: ClassifyStage, text: str) -> None:
    (outcome,) = stage.work([document("one", text)])
    assert verdict_of(outcome).document_type == "unknown"


@pytest.mark.parametrize(
    ("media_type", "text"),
    [
        ("text/csv", "id,message\n" + "\n".join(f'{n},"{text}"' for n, text in enumerate(QUESTIONS))),
        ("application/jsonl", "\n".join(json.dumps({"message": text}) for text in QUESTIONS)),
    ],
)
def test_a_table_of_tickets_is_not_one_ticket(stage: ClassifyStage, media_type: str, text: str) -> None:
    (outcome,) = stage.work([dataclasses.replace(document("one", text), media_type=media_type)])
    assert verdict_of(outcome).document_type == "unknown"


def test_an_invoice_in_a_table_stays_an_invoice(stage: ClassifyStage) -> None:
    text = "\n".join(line.replace(": ", ",") for line in INVOICE.splitlines())
    (outcome,) = stage.work([dataclasses.replace(document("one", text), media_type="text/csv")])
    assert verdict_of(outcome).document_type == "invoice"


def test_a_given_type_is_tried_again_once_it_exists(stage: ClassifyStage) -> None:
    with_recipe = ClassifyStage({"recipe": plain_type("recipe")})
    given = document("one", RECEIPT, given_type="recipe")
    assert stage.fingerprint(given) != with_recipe.fingerprint(given)
