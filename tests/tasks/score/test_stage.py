import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import (
    Criterion,
    DocumentField,
    DocumentType,
    FieldType,
    RouteStep,
    Rubric,
    StepAcceptance,
)
from blocks.errors import DatabaseUnreachable, RunInterrupted, WinnowError
from blocks.evidence.document_reading import DocumentReading
from blocks.evidence.traces import Remembered, Trace
from blocks.gateway.errors import ModelRefusal, ServerFailed
from blocks.gateway.model import DecidedExample, ModelReply, Question
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.routing import plan as route_plan
from blocks.reader.reading import VERSION, read
from blocks.records import CriterionReading, Document, Extraction, FieldReading, Outcome, Page, Retry, Scoring, Stage
from tasks.runs.chunk import stop_run
from tasks.score import stage as score_stage
from tasks.score.stage import RunModels, ScoreRules, ScoreStage
from tasks.score.total import total_score
from tests.doubles.no_models import NoModels
from tests.doubles.routed_models import ScriptedGateway, fails, model, reads

RUBRIC = Rubric(
    criteria=(Criterion(name="tone", weight=3, description=""), Criterion(name="facts", weight=1, description=""))
)
LETTER = DocumentType(
    name="letter", title="Letter", fields={"day": DocumentField(type=FieldType.DATE, aliases=("Day",))}, rubric=RUBRIC
)


class Busy(WinnowError):
    """The reading is to be tried again."""

    kind = "busy"
    retry = Retry.NOW


def scripted(
    _document_type: DocumentType, pages: tuple[Page, ...], _remembered: Sequence[Remembered] = ()
) -> DocumentReading:
    """A reader that misbehaves by text: `busy` fails with a typed error, `broken` by a defect."""
    if pages[0].text == "busy":
        raise Busy("come back later")
    if pages[0].text == "broken":
        raise ZeroDivisionError("oops")
    return DocumentReading(
        "7",
        fields={"day": FieldReading(value="2024-05-01"), "invented": FieldReading(value="x")},
        criteria=(CriterionReading(name="tone", grade=1.0, confidence=0.9),),
    )


@pytest.fixture
def scripted_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_stage, "read", scripted)


def document(
    document_id: str, document_type: str | None = "letter", digest: str = "e1", text: str = "Day: 1 May 2024"
) -> Document:
    pages = (Page(number=1, method="parsed", text=text),)
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


def stage(document_type: DocumentType = LETTER, models: RunModels | None = None) -> ScoreStage:
    return ScoreStage({"letter": document_type}, models or NoModels(), "run")


@pytest.mark.usefixtures("scripted_reader")
def test_a_document_is_scored_and_the_total_is_computed_by_code() -> None:
    outcome = next(stage().work([document("a")]))
    assert outcome.payload is not None
    scoring = Scoring.model_validate_json(outcome.payload)
    assert scoring.fields["day"].value == "2024-05-01"
    assert "invented" not in scoring.fields, "a reading cannot add fields"
    assert scoring.score == 75.0
    assert scoring.model == "local@7"


@pytest.mark.parametrize("name", [None, "unknown", "gone"])
def test_a_document_of_no_known_type_is_asked_of_no_model(name: str | None) -> None:
    gateway = ScriptedGateway({})
    outcome = next(stage(models=gateway).work([document("a", name)]))
    assert outcome.payload is not None
    assert Scoring.model_validate_json(outcome.payload) == Scoring(document_type="unknown", model="none")
    assert gateway.asked == []


@pytest.mark.usefixtures("scripted_reader")
def test_one_bad_document_costs_that_document_only() -> None:
    documents = [document(name, text=name) for name in ("busy", "broken", "fine")]
    outcomes = {outcome.document_id: outcome for outcome in stage().work(documents)}
    busy, broken = outcomes["busy"].failure, outcomes["broken"].failure
    assert busy is not None
    assert (busy.kind, busy.retry, busy.stage) == ("busy", Retry.NOW, Stage.SCORE)
    assert broken is not None
    assert (broken.kind, broken.retry) == ("internal", Retry.NEXT_RUN)
    assert outcomes["fine"].payload is not None


def test_an_extraction_that_cannot_be_read_is_that_documents_failure() -> None:
    outcome = next(stage().work([replace(document("a"), inputs={Stage.EXTRACT: b"{}"})]))
    assert outcome.failure is not None
    assert outcome.failure.kind == "internal"


def test_payloads_are_the_same_for_the_same_document() -> None:
    assert next(stage().work([document("a")])).payload == next(stage().work([document("a")])).payload


def test_the_fingerprint_follows_what_score_reads_and_nothing_else() -> None:
    first = stage().fingerprint(document("a"))
    assert first == stage().fingerprint(replace(document("b"), uri="file:///elsewhere", size_bytes=9))
    assert first != stage().fingerprint(document("a", digest="e2"))
    assert first != stage().fingerprint(document("a", "unknown"))
    reviewed = DocumentType.model_validate(LETTER.model_dump() | {"review": {"accept_at": 0.1}})
    assert first == stage(reviewed).fingerprint(document("a"))
    prompted = DocumentType.model_validate(LETTER.model_dump() | {"prompts": {"default": "read"}})
    assert first != stage(prompted).fingerprint(document("a"))


def test_the_configuration_changes_with_any_type() -> None:
    more = ScoreStage({"letter": LETTER, "memo": LETTER}, ScriptedGateway({}), "run")
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


def test_criteria_that_judge_a_written_text_are_no_part_of_the_total() -> None:
    judged = Rubric(criteria=(*RUBRIC.criteria, Criterion(name="draft", weight=9, description="", judges="reply")))
    grades = [CriterionReading(name=name, grade=0.5, confidence=1.0) for name in ("tone", "facts", "draft")]
    assert total_score(judged, grades) == 50.0
    assert total_score(judged, grades[2:]) is None


BY_NAME = ScoreRules(models=("a",))
SOON = ScoreRules(outage_wait_limit_s=0)
ASKED = LETTER.model_copy(update={"route": (RouteStep(model="a"), RouteStep(model="local")), "rubric": None})


def asked(answer: Callable[[Question], ModelReply | Exception], wait_s: float = 0.0) -> ScriptedGateway:
    return ScriptedGateway({"a": answer}, wait_s=wait_s)


class Last:
    """Keeps last scorings by document."""

    def __init__(self, **payloads: Scoring) -> None:
        self.payloads = {name: one.model_dump_json().encode() for name, one in payloads.items()}

    def __call__(self, document_ids: Sequence[str]) -> dict[str, bytes]:
        return {name: payload for name, payload in self.payloads.items() if name in document_ids}


def scoring_of(outcome: Outcome) -> Scoring:
    assert outcome.payload is not None
    return Scoring.model_validate_json(outcome.payload)


def test_stage_processes_get_the_documents_whose_routes_ask_no_model() -> None:
    documents = [document("a"), document("b", document_type="memo"), document("c", document_type=None)]
    memo = LETTER.model_copy(update={"name": "memo"})
    asking = ScoreStage({"letter": ASKED, "memo": memo}, asked(fails(ServerFailed("a", 503))), "run")
    assert [known.document_id for known in asking.computable(documents)] == ["b", "c"]
    no_model_enabled = ScoreStage({"letter": ASKED, "memo": memo}, NoModels(), "run")
    assert list(no_model_enabled.computable(documents)) == documents
    asked_by_name = ScoreStage({"letter": LETTER, "memo": memo}, asked(fails(ServerFailed("a", 503))), "run", BY_NAME)
    assert [known.document_id for known in asked_by_name.computable(documents)] == ["c"]


def test_while_models_are_down_the_last_reading_of_a_model_stands_in() -> None:
    day = FieldReading(value="1999-12-31")
    old = Scoring(document_type="letter", model="a@v0", fields={"day": day, "gone": day})
    other = Scoring(document_type="memo", model="a@v0", fields={"day": day})
    down = ScoreStage(
        {"letter": ASKED}, asked(fails(ServerFailed("a", 503))), "run", SOON, Last(known=old, other=other)
    )
    outcomes = {one.document_id: one for one in down.work([document(name) for name in ("known", "other", "new")])}
    for outcome in outcomes.values():
        assert outcome.failure is not None
        assert (outcome.failure.kind, outcome.failure.retry) == ("model_unavailable", Retry.NEXT_RUN)
    known = scoring_of(outcomes["known"])
    assert (known.model, known.fields["day"].value, set(known.fields)) == ("a@v0", "1999-12-31", {"day"})
    assert [step.outcome for step in known.steps] == ["server_failed", "answered", "answered"]
    for name in ("other", "new"):
        assert (scoring_of(outcomes[name]).model, scoring_of(outcomes[name]).fields["day"].value) == (
            f"local@{VERSION}",
            "2024-05-01",
        )


def test_a_database_that_is_down_while_models_are_down_concerns_the_run_and_no_document() -> None:
    def unreachable(_document_ids: Sequence[str]) -> dict[str, bytes]:
        raise DatabaseUnreachable("a database", "it does not answer")

    down = ScoreStage({"letter": ASKED}, asked(fails(ServerFailed("a", 503))), "run", SOON, unreachable)
    with pytest.raises(DatabaseUnreachable):
        list(down.work([document("a")]))


@pytest.mark.parametrize(
    ("weights", "score"), [((3, 1), 87.5), ((1, 1), 75.0), ((1,), 100.0), ((1, 1, 1), None), ((), None)]
)
def test_a_last_reading_that_stands_in_is_scored_by_the_rubric_of_today(
    weights: tuple[int, ...], score: float | None
) -> None:
    grades = tuple(
        CriterionReading(name=name, grade=grade, confidence=1.0) for name, grade in (("tone", 1.0), ("facts", 0.5))
    )
    old = Scoring(document_type="letter", model="a@v0", criteria=grades, score=12.3)
    criteria = tuple(
        Criterion(name=name, weight=weight, description="")
        for name, weight in zip(("tone", "facts", "new"), weights, strict=False)
    )
    rubric = Rubric(criteria=criteria) if criteria else None
    letter = ASKED.model_copy(update={"rubric": rubric})
    down = ScoreStage({"letter": letter}, asked(fails(ServerFailed("a", 503))), "run", SOON, Last(known=old))
    scoring = scoring_of(next(down.work([document("known")])))
    assert (scoring.model, scoring.score) == ("a@v0", score)
    assert {one.name for one in scoring.criteria} <= {one.name for one in criteria}


def test_a_document_that_a_model_refuses_is_done_and_says_so() -> None:
    old = Scoring(document_type="letter", model="a@v0", fields={"day": FieldReading(value="1999-12-31")})
    refused = ScoreStage({"letter": ASKED}, asked(fails(ModelRefusal("a", "no"))), "run", load_last=Last(known=old))
    outcome = next(refused.work([document("known")]))
    assert outcome.failure is None, "the next run would ask and pay again, for the same refusal"
    scoring = scoring_of(outcome)
    assert (scoring.refused, scoring.model) == (("model_refusal",), f"local@{VERSION}")
    assert scoring.fields["day"].value == "2024-05-01"


def test_all_documents_of_a_chunk_are_asked_at_once_and_come_as_they_are_done() -> None:
    gateway = asked(reads(day="2024-05-01"), wait_s=2.0)
    gateway.models = (model("a", in_flight=40),)
    outcomes = list(ScoreStage({"letter": ASKED}, gateway, "run").work([document(f"d{n}") for n in range(40)]))
    assert gateway.most_under_way == 40
    assert {scoring_of(one).model for one in outcomes} == {"a@v1"}


def test_what_is_under_way_is_cancelled_when_the_caller_stops() -> None:
    gateway = asked(reads(day="2024-05-01"), wait_s=30.0)
    gateway.models = (model("a", in_flight=1),)
    documents = [document(f"d{number}") for number in range(20)]
    work = ScoreStage({"letter": ASKED}, gateway, "cancelled").work(documents)
    with ThreadPoolExecutor(1) as thread:
        stopped = thread.submit(list, work)
        wait_until(lambda: gateway.under_way == 2)
        stop_run("cancelled")
        assert isinstance(stopped.exception(), RunInterrupted)
    wait_until(lambda: gateway.under_way == 0)
    assert gateway.cancelled == 2
    assert len(gateway.asked) == 2, "those that wait for a turn are not asked any more"


def test_a_stopped_run_does_not_wait_for_models() -> None:
    gateway = asked(reads(day="2024-05-01"), wait_s=30.0)
    work = ScoreStage({"letter": ASKED}, gateway, "stopped").work([document("a")])
    stop_run("stopped")
    with pytest.raises(RunInterrupted):
        next(work)
    wait_until(lambda: gateway.cancelled == 1)


def test_models_of_the_run_count_in_the_fingerprint_and_a_budget_does_not() -> None:
    gateway = asked(reads(day="2024-05-01"))

    def fingerprint(**rules: object) -> str:
        return ScoreStage({"letter": ASKED}, gateway, "run", ScoreRules(**rules)).fingerprint(document("a"))  # type: ignore[arg-type]

    assert fingerprint() == fingerprint(document_budget_usd=Decimal(1))
    assert len({fingerprint(), fingerprint(models=("a",)), fingerprint(models=("local",))}) == 3


@pytest.mark.parametrize(
    ("change", "is_stale"),
    [
        ({"upstream": "newer"}, True),
        ({"endpoint": "http://127.0.0.1:2"}, True),
        ({"is_enabled": False}, False),
        ({"input_price": 9, "rpm": 3, "in_flight": 1, "timeout_s": 1}, False),
        ({"is_enabled": False, "was_enabled": False}, True),
        ({"images": True}, True),
        ({"logprobs": True}, True),
        ({"max_output_tokens": 9}, True),
        ({"context_window": 9_999}, True),
        ({"headers": {"x-beta": "1"}}, True),
        ({"json_mode": "prompt", "tier": "strong", "position": 7, "tpm": 10}, False),
    ],
)
def test_who_may_answer_decides_the_fingerprint_and_switches_prices_and_limits_do_not(
    change: dict[str, object], is_stale: bool
) -> None:
    before = asked(reads())
    after = ScriptedGateway({}, (model("a", **change),))
    prints = {stage(ASKED, gateway).fingerprint(document("a")) for gateway in (before, after)}
    assert (len(prints) == 2) is is_stale


@pytest.mark.parametrize(
    ("step", "is_stale"),
    [
        (RouteStep(model="a", accept=StepAcceptance(confidence=0.5)), True),
        (RouteStep(model="a", asks="unsure"), True),
        (RouteStep(model="a", accept=StepAcceptance(confidence=0.5, checks=False)), False),
        (RouteStep(model="a"), False),
    ],
)
@pytest.mark.parametrize("rule", ["accept_at", "accept_models_at"])
def test_what_review_asks_decides_the_fingerprint_of_routes_that_go_by_it(
    step: RouteStep, is_stale: bool, rule: str
) -> None:
    letter = ASKED.model_copy(update={"route": (step, RouteStep(model="local"))})
    other = letter.model_copy(update={"review": ReviewRules.model_validate({rule: 0.95})})
    prints = {stage(one, asked(reads())).fingerprint(document("a")) for one in (letter, other)}
    assert (len(prints) == 2) is is_stale


@pytest.mark.parametrize("name", ["RULES", "CRITERIA_RULES", "DEFAULT_TEMPLATE", "JUDGE_VERSION"])
def test_what_models_are_told_and_judged_by_decides_the_fingerprint_where_a_model_may_be_asked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prints() -> tuple[str, str]:
        return stage(ASKED, asked(reads())).fingerprint(document("a")), stage().fingerprint(document("a"))

    before = prints()
    monkeypatch.setattr(route_plan, name, "other")
    after = prints()
    assert (before[0] != after[0], before[1] == after[1]) == (True, True)


def test_the_least_of_the_budgets_bounds_a_document() -> None:
    for of_type, of_settings, least in ((None, "0.5", "0.5"), ("0.1", "0.5", "0.1"), ("2", "0.5", "0.5")):
        gateway = asked(reads(day="2024-05-01"))
        letter = ASKED.model_copy(update={"budget_usd": None if of_type is None else Decimal(of_type)})
        rules = ScoreRules(document_budget_usd=Decimal(of_settings))
        list(ScoreStage({"letter": letter}, gateway, "run", rules).work([document("a")]))
        assert gateway.asked[0][1].document_budget_usd == Decimal(least)


def test_a_document_is_read_once_whatever_its_route_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []

    def counted(
        document_type: DocumentType, pages: tuple[Page, ...], remembered: Sequence[Remembered]
    ) -> DocumentReading:
        texts.append(pages[0].text)
        return read(document_type, pages, remembered)

    monkeypatch.setattr(score_stage, "read", counted)
    never = StepAcceptance(confidence=1.0)
    steps = [RouteStep(model=name, accept=never) for name in ("local", "a", "b")]
    letter = LETTER.model_copy(update={"route": (*steps, RouteStep(model="a", role="second_opinion"))})
    gateway = ScriptedGateway({"a": reads(day="2024-05-01"), "b": reads(day="2024-05-02")})
    outcomes = list(ScoreStage({"letter": letter}, gateway, "run").work([document("d0"), document("d1")]))
    assert gateway.names.count("a") == 4
    assert len(texts) == 2
    assert all(outcome.failure is None for outcome in outcomes)


def test_a_route_of_models_that_are_disabled_opens_no_gateway_until_one_is_enabled() -> None:
    class Switched(NoModels):
        models: tuple[RegisteredModel, ...] = (model("a", is_enabled=False),)

        def registry(self) -> RegistryState:
            return RegistryState(self.models)

    off = Switched()
    switched = ScoreStage({"letter": ASKED}, off, "run")
    assert scoring_of(next(switched.work([document("a")]))).model == f"local@{VERSION}"
    off.models = (model("a"),)
    with pytest.raises(AssertionError, match="a gateway was opened"):
        next(switched.work([document("a")]))


def test_the_gateway_is_opened_once_for_all_chunks_of_a_run() -> None:
    gateway = asked(reads(day="2024-05-01"))
    opened = []

    class Counted(NoModels):
        def registry(self) -> RegistryState:
            return gateway.registry()

        def gateway(self) -> ScriptedGateway:
            opened.append(1)
            return gateway

    counted = ScoreStage({"letter": ASKED}, Counted(), "run")
    assert opened == []
    assert [scoring_of(next(counted.work([document(name)]))).model for name in "ab"] == ["a@v1", "a@v1"]
    assert opened == [1]


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(200):
        if is_so():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never was so")


class OneMemory:
    """What was learnt of letters under an id; it recalls one document for each."""

    def __init__(self, learned_id: int | None) -> None:
        self._learned_id = learned_id

    def learned_id(self, document_type: str) -> int | None:
        return self._learned_id if document_type == "letter" else None

    def recall(self, document: Document, pages: Sequence[Page]) -> tuple[Remembered, ...]:
        assert pages
        return (Remembered(likeness=0.5, fields={"day": Trace(right={document.document_id: 1})}),)

    def taught(self, document_type: DocumentType) -> DocumentType:
        return document_type

    def examples_id(self, document_type: str) -> int | None:
        return None

    def examples(self, document_type: DocumentType, document_id: str, pages: Sequence[Page]) -> tuple[DecidedExample]:
        raise AssertionError("no model is asked")


def remembering(learned_id: int | None, refresh: str = "new", *, relearn: bool = False) -> ScoreStage:
    read_so = DocumentType.model_validate(LETTER.model_dump() | {"memory": {"refresh": refresh}})
    return ScoreStage({"letter": read_so}, NoModels(), "run", ScoreRules(relearn=relearn), memory=OneMemory(learned_id))


def test_a_document_keeps_the_fingerprint_that_it_was_read_under_unless_it_is_to_be_read_again() -> None:
    unlearnt = remembering(None).fingerprint(document("a"))
    assert unlearnt == ScoreStage({"letter": LETTER}, NoModels(), "run").fingerprint(document("a"))
    first = remembering(1).fingerprint(document("a"))
    assert first != unlearnt
    for earlier in (unlearnt, first):
        read_before = replace(document("a"), current=earlier)
        assert remembering(2).fingerprint(read_before) == earlier
        assert remembering(2, "stale").fingerprint(read_before) == remembering(2).fingerprint(document("a"))
        assert remembering(2, relearn=True).fingerprint(read_before) not in {unlearnt, first}
    changed = replace(document("a", digest="e2"), current=first)
    assert remembering(2).fingerprint(changed) == remembering(2).fingerprint(document("a", digest="e2"))


def test_what_is_learnt_unsettles_documents_only_where_they_are_to_be_read_again() -> None:
    assert remembering(1).configuration == remembering(2).configuration == remembering(None).configuration
    assert remembering(1, "stale").configuration != remembering(2, "stale").configuration
    assert remembering(1, relearn=True).configuration != remembering(1).configuration


def test_a_process_without_a_database_reads_by_what_was_recalled_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sequence[Remembered]] = []

    def reader(
        document_type: DocumentType, pages: tuple[Page, ...], remembered: Sequence[Remembered] = ()
    ) -> DocumentReading:
        seen.append(remembered)
        return scripted(document_type, pages, remembered)

    monkeypatch.setattr(score_stage, "read", reader)
    (sent,) = remembering(1).computable([document("a")])
    list(ScoreStage({"letter": LETTER}, NoModels(), "").work([sent]))
    list(remembering(1).work([document("a")]))
    assert [[dict(own.fields["day"].right) for own in remembered] for remembered in seen] == [[{"a": 1}]] * 2
