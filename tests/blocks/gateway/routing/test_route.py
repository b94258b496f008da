import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest

from blocks.document_types.schema import (
    Criterion,
    DocumentField,
    DocumentType,
    FieldType,
    RouteStep,
    Rubric,
    StepAcceptance,
    StepCondition,
)
from blocks.gateway.errors import (
    BudgetExhausted,
    CallFailed,
    CircuitOpen,
    DeadlinePassed,
    LimitsReached,
    ModelRefusal,
    ModelsPaused,
    PromptFailed,
    ReplyRefused,
    RequestRefused,
    ServerFailed,
    WrongSchema,
)
from blocks.gateway.model import ModelReply, Question
from blocks.gateway.registry.errors import ModelUnknown
from blocks.gateway.routing.route import Route, Routed
from blocks.gateway.routing.steps import JUDGING_THREADS
from blocks.reader.reading import VERSION
from blocks.records import CriterionReading, Evidence, FieldReading, StepTrace
from tests.doubles.routed_models import ScriptedGateway, bill, fails, model, reads, take

LOCAL = RouteStep(model="local")
MODULE = CallFailed.__module__
A, B = RouteStep(model="a"), RouteStep(model="b")
SURE = StepAcceptance(confidence=0.9)
NEVER = StepAcceptance(confidence=1.0)
RIGHT: dict[str, Any] = {"day": "2024-05-01", "total": "9.00"}


def walk(gateway: ScriptedGateway, document_type: DocumentType, models: tuple[str, ...] = ()) -> Routed:
    return take(gateway.assignment(document_type, models=models, budget_usd=Decimal("0.10")), gateway)


def outcomes(routed: Routed) -> list[tuple[str, str]]:
    return [(trace.model, trace.outcome) for trace in routed.steps]


def test_without_any_model_the_built_in_one_answers_and_nothing_is_said_of_steps() -> None:
    routed = walk(ScriptedGateway({}, ()), bill(RouteStep(tier="cheap", accept=SURE), LOCAL))
    assert (routed.answer.model, routed.steps, routed.failure) == (f"local@{VERSION}", (), None)
    assert routed.answer.fields["total"].value == "9.00"
    assert routed.answer.fields["total"].signals is None


def test_a_model_that_is_disabled_is_out_of_the_route() -> None:
    gateway = ScriptedGateway({}, (model("a", is_enabled=False),))
    routed = walk(gateway, bill(A, LOCAL))
    assert (gateway.names, routed.steps, routed.failure) == ([], (), None)


def test_a_cascade_ends_with_the_first_answer_that_is_enough() -> None:
    gateway = ScriptedGateway({"a": reads(**RIGHT)})
    enough = bill(RouteStep(model="local", accept=StepAcceptance(confidence=0.5)), A)
    routed = walk(gateway, enough)
    assert (gateway.names, outcomes(routed), routed.failure) == ([], [("local", "answered")], None)
    routed = walk(gateway, bill(RouteStep(model="local", accept=NEVER), A))
    assert outcomes(routed) == [("local", "unsure"), ("a", "answered")]
    assert routed.steps[0].why == "confidence under 1: day, total"
    assert routed.answer.model == "a@v1"


def test_unsure_fields_are_asked_with_those_that_a_reply_is_judged_by_and_sure_ones_stay() -> None:
    gateway = ScriptedGateway(
        {"local": reads(0.99, day="2024-05-01", post="4.50"), "a": reads(day="2099-09-09", total="9.00", post="9.00")}
    )
    steps = (RouteStep(model="local", accept=StepAcceptance(confidence=0.7)), RouteStep(model="a", asks="unsure"))
    plain = bill(*steps)
    posted = plain.fields | {"post": DocumentField(type=FieldType.MONEY, aliases=("Shipping",))}
    routed = walk(gateway, plain.model_copy(update={"fields": posted}))
    assert gateway.asked[0][1].request.fields == ("day", "total"), "the total was missing, the day is required"
    assert {name: one.value for name, one in routed.answer.fields.items()} == RIGHT | {"post": "4.50"}
    assert routed.answer.model == "local@v1 + a@v1"


@pytest.mark.parametrize("is_required", [True, False])
def test_what_the_built_in_model_doubts_and_a_model_does_not_find_is_kept_only_where_it_is_required(
    is_required: bool,
) -> None:
    gateway = ScriptedGateway({"local": reads(0.1, **RIGHT), "a": reads(day="2024-05-01")})
    steps = (RouteStep(model="local", accept=SURE), RouteStep(model="a", asks="unsure"))
    plain = bill(*steps)
    total = plain.fields["total"].model_copy(update={"required": is_required})
    routed = walk(gateway, plain.model_copy(update={"fields": plain.fields | {"total": total}}))
    assert ("total" in routed.answer.fields) is is_required


@pytest.mark.parametrize(
    ("post", "stated", "why"),
    [("4.50", 0.9, ""), ("4.50", 0.3, "doubtful: post"), ("7.77", 0.9, "doubtful: post"), ("?", 0.9, "doubtful: post")],
)
def test_an_optional_value_that_would_send_the_document_to_review_is_asked_of_a_model(
    post: str, stated: float, why: str
) -> None:
    def local(question: Question) -> ModelReply:
        sure, other = reads(0.9, **RIGHT)(question), reads(stated, post=post)(question)
        assert isinstance(sure, ModelReply)
        assert isinstance(other, ModelReply)
        # no signals: what the built-in reader says of itself is calibrated
        fields = {name: one.model_copy(update={"signals": None}) for name, one in (sure.fields | other.fields).items()}
        return ModelReply(fields=fields)

    gateway = ScriptedGateway({"local": local, "a": reads(**RIGHT)})
    steps = (RouteStep(model="local", accept=StepAcceptance(confidence=0.8)), RouteStep(model="a", asks="unsure"))
    plain = bill(*steps)
    posted = plain.fields | {"post": DocumentField(type=FieldType.MONEY, aliases=("Shipping",))}
    routed = walk(gateway, plain.model_copy(update={"fields": posted}))
    assert gateway.names == (["a"] if why else [])
    assert routed.steps[0].why == why
    assert ("post" in routed.answer.fields) is not bool(why), "the model does not find it"


def test_the_next_model_of_a_tier_and_then_the_next_step_answer_for_one_that_fails() -> None:
    first, second = model("a", tier="cheap", position=1), model("b", tier="cheap", position=2)
    down = fails(ServerFailed("a", 503))
    gateway = ScriptedGateway({"a": down, "b": reads(**RIGHT)}, (first, second))
    routed = walk(gateway, bill(RouteStep(tier="cheap"), LOCAL))
    assert outcomes(routed) == [("a", "server_failed"), ("b", "answered")]
    assert routed.steps[0].why.startswith("The provider's server failed")
    gateway = ScriptedGateway({"a": down, "b": reads(**RIGHT)})
    routed = walk(gateway, bill(A, B, LOCAL))
    assert (outcomes(routed), routed.failure) == ([("a", "server_failed"), ("b", "answered")], None)


@pytest.mark.parametrize("route", [(A, B, LOCAL), (A, B), (RouteStep(model="local", accept=NEVER), A, B)])
def test_where_no_model_answers_the_built_in_one_stands_in_for_this_run(route: tuple[RouteStep, ...]) -> None:
    gateway = ScriptedGateway({"a": fails(ServerFailed("a", 503)), "b": fails(ModelRefusal("b", "no"))})
    routed = walk(gateway, bill(*route))
    assert routed.failure is not None
    assert (routed.failure.kind, routed.failure.retry) == ("model_unavailable", "next_run")
    assert "server_failed, model_refusal" in str(routed.failure)
    assert routed.answer.model == f"local@{VERSION}"
    assert routed.answer.fields["total"].value == "9.00"


@pytest.mark.parametrize("route", [(A, B, LOCAL), (A, B), (RouteStep(model="local", accept=NEVER), A, B)])
def test_a_document_that_the_models_give_up_for_good_waits_for_no_other_run(route: tuple[RouteStep, ...]) -> None:
    gateway = ScriptedGateway({"a": fails(WrongSchema("a", "no fields")), "b": fails(ModelRefusal("b", "no"))})
    routed = walk(gateway, bill(*route))
    assert (routed.failure, routed.refused) == (None, ("wrong_schema", "model_refusal"))
    assert routed.answer.model == f"local@{VERSION}"
    misconfigured = walk(
        ScriptedGateway({"a": fails(RequestRefused("a", 400)), "b": fails(ModelRefusal("b", "no"))}), bill(*route)
    )
    assert (misconfigured.failure is not None, misconfigured.refused) == (True, ()), "its refusals cost nothing"
    answered = walk(ScriptedGateway({"a": fails(ModelRefusal("a", "no")), "b": reads(**RIGHT)}), bill(A, B))
    assert (answered.failure, answered.refused) == (None, ())


def test_why_a_model_did_not_answer_is_said_in_words_that_are_the_same_in_every_run() -> None:
    def trace(error: Exception) -> StepTrace:
        return walk(ScriptedGateway({"a": fails(error)}), bill(A, LOCAL)).steps[0]

    assert trace(ServerFailed("a", 503, "gone")) == trace(ServerFailed("a", 500, "back in 7 s", 7.0))
    assert trace(CircuitOpen("a", "x", 3.0)) == trace(CircuitOpen("a", "y", 29.0))
    assert (
        trace(CircuitOpen("a", "x", 3.0)).why
        == "The model's circuit breaker is open: too many of its last calls failed."
    )


RATED = Rubric(
    criteria=(Criterion(name="clarity", description=""), Criterion(name="tone", description="", judges="reply"))
)


@pytest.mark.parametrize(
    ("name", "quote", "grade"),
    [
        ("clarity", "Thank you", 0.9),
        ("clarity", "Thank you so very much", 0.0),
        ("clarity", "", 0.0),
        ("tone", "Dear Ms Roe", 0.9),
        ("tone", "", 0.9),
    ],
)
def test_a_grade_of_the_document_that_no_quote_bears_earns_nothing(name: str, quote: str, grade: float) -> None:
    def answer(question: Question) -> ModelReply:
        quotes = (Evidence(page=1, quote=quote),) if quote else ()
        criterion = CriterionReading(name=name, grade=0.9, confidence=0.9, evidence=quotes)
        given = reads(**RIGHT)(question)
        assert isinstance(given, ModelReply)
        return given.model_copy(update={"criteria": (criterion,)})

    route = (RouteStep(model="a", accept=StepAcceptance(criteria={name: 0.5})), B)
    gateway = ScriptedGateway({"a": answer, "b": answer})
    routed = walk(gateway, bill(*route).model_copy(update={"rubric": RATED}))
    found = routed.answer.criteria[name]
    assert (found.grade, found.confidence, found.is_grounded) == ((grade, 0.9, True) if grade else (0.0, 0.2, False))
    assert gateway.names == (["a"] if grade else ["a", "b"])


def test_a_run_that_needed_no_model_knows_nothing_of_an_outage() -> None:
    gateway = ScriptedGateway({"a": fails(ServerFailed("a", 503))})
    routed = walk(gateway, bill(RouteStep(model="local", accept=StepAcceptance(confidence=0.5)), A))
    assert routed.failure is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [(ModelsPaused(), "models_paused"), (BudgetExhausted("run", "1", "1"), "budget_exhausted")],
)
def test_pauses_and_budgets_are_named(error: Exception, kind: str) -> None:
    routed = walk(ScriptedGateway({"a": fails(error)}), bill(A, LOCAL))
    assert routed.failure is not None
    assert routed.failure.kind == kind


def test_an_unsure_answer_stands_in_where_the_next_model_is_down_but_not_where_it_refuses() -> None:
    route = (RouteStep(model="a", accept=NEVER), B)
    down = walk(ScriptedGateway({"a": reads(**RIGHT), "b": fails(DeadlinePassed("b", 1))}), bill(*route))
    assert down.failure is not None
    assert down.answer.model == "a@v1"
    refused = walk(ScriptedGateway({"a": reads(**RIGHT), "b": fails(ModelRefusal("b", "no"))}), bill(*route))
    assert refused.failure is None, "it would refuse the document tomorrow too"


DEAR, FAIR, CHEAP = (
    model("a", input_price=10, output_price=30),
    model("b", input_price=3, output_price=9),
    model("c", input_price=1, output_price=2),
)
EXHAUSTED = fails(BudgetExhausted("document", "0.01", "0"))


def test_on_a_low_budget_the_cheapest_step_that_fits_is_taken() -> None:
    route = bill(A, B, RouteStep(model="c"), LOCAL)
    answers = {"a": EXHAUSTED, "b": reads(**RIGHT), "c": reads(**RIGHT)}
    gateway = ScriptedGateway(answers, (DEAR, FAIR, CHEAP))
    routed = walk(gateway, route)
    assert (gateway.names, routed.failure, routed.answer.model) == (["a", "c"], None, "c@v1")
    gateway = ScriptedGateway(dict.fromkeys("abc", EXHAUSTED), (DEAR, FAIR, CHEAP))
    routed = walk(gateway, route)
    assert routed.failure is not None
    assert (gateway.names, routed.failure.kind) == (["a", "c", "b"], "budget_exhausted")


def test_a_model_that_is_removed_while_its_route_is_walked_comes_last() -> None:
    def remove_and_fail(question: Question) -> Exception:
        gateway.models = (CHEAP,)
        return BudgetExhausted("document", "0.01", "0")

    answers = {"a": remove_and_fail, "b": fails(ModelUnknown("b", ())), "c": reads(**RIGHT)}
    gateway = ScriptedGateway(answers, (DEAR, FAIR, CHEAP))
    routed = walk(gateway, bill(A, B, RouteStep(model="c"), LOCAL))
    assert (gateway.names, routed.answer.model) == (["a", "c"], "c@v1")


@pytest.mark.parametrize("is_sensitive", [True, False])
def test_on_a_low_budget_no_step_is_taken_whose_condition_does_not_hold(is_sensitive: bool) -> None:
    hosted = RouteStep(model="c", when=StepCondition(sensitive=False))
    own = RouteStep(model="a", when=StepCondition(sensitive=True))
    gateway = ScriptedGateway({"a": EXHAUSTED, "c": reads(**RIGHT)}, (DEAR, CHEAP))
    routed = walk(gateway, bill(own, hosted, LOCAL, sensitive=is_sensitive))
    assert gateway.names == (["a"] if is_sensitive else ["c"])
    assert (routed.failure is not None) is is_sensitive


@pytest.mark.parametrize("served_by", ["gpt-4o-2024-08-06", "a", ""])
@pytest.mark.parametrize("more", [{}, {"upstream": "a"}])
def test_a_model_confirms_nothing_that_it_said_itself_under_whatever_name(
    more: dict[str, object], served_by: str
) -> None:
    """The very same reply would count as a second one that agrees. Whatever the provider says has served it."""
    first = model("a", tier="cheap")
    route = (RouteStep(model="a", accept=NEVER), RouteStep(tier="cheap", role="second_opinion"))
    other = model("b", tier="cheap", **({"endpoint": "http://127.0.0.1:2"} | more))
    said = {name: reads(0.8, **RIGHT) for name in "ab"}

    def versioned(question: Question) -> ModelReply:
        given = said["a"](question)
        assert isinstance(given, ModelReply)
        return given.model_copy(update={"model": "a", "model_version": served_by})

    alone = ScriptedGateway({"a": versioned}, (first,))
    routed = walk(alone, bill(*route))
    assert alone.names == ["a"]
    assert (routed.steps[-1].outcome, routed.steps[-1].why) == ("skipped", "the same model has answered")
    assert all(one.signals is not None and one.signals.agreeing == () for one in routed.answer.fields.values())
    twins = model("b", tier="cheap", upstream="a")
    gateway = ScriptedGateway({"a": versioned, "b": said["b"]}, (first, twins if more else other))
    walk(gateway, bill(*route))
    assert gateway.names == (["a"] if more else ["a", "b"])


def test_a_step_for_what_no_model_answered_is_taken_only_then() -> None:
    route = (
        RouteStep(model="local", accept=NEVER),
        RouteStep(model="a", accept=NEVER),
        RouteStep(model="b", when=StepCondition(unanswered=True)),
    )
    answered = ScriptedGateway({"a": reads(0.1, **RIGHT), "b": reads(**RIGHT)})
    assert walk(answered, bill(*route)).steps[-1].why == "a model has answered"
    assert answered.names == ["a"]
    failed = ScriptedGateway({"a": fails(ServerFailed("a", 503)), "b": reads(**RIGHT)})
    assert walk(failed, bill(*route)).answer.model == "b@v1"


def test_a_prompt_that_fails_is_said_in_place_of_models_that_are_not_there() -> None:
    broken = fails(PromptFailed("bill", "default", "UndefinedError"))
    routed = walk(ScriptedGateway({"a": broken, "b": fails(ModelRefusal("b", "no"))}), bill(A, B, LOCAL))
    assert routed.failure is not None
    assert (routed.failure.kind, routed.failure.retry) == ("prompt_failed", "next_run")
    assert "prompts/default.md" in str(routed.failure)
    down = walk(ScriptedGateway({"a": broken, "b": fails(ServerFailed("b", 503))}), bill(A, B, LOCAL))
    assert down.failure is not None
    assert down.failure.kind == "model_unavailable"
    answered = walk(ScriptedGateway({"a": broken, "b": reads(**RIGHT)}), bill(A, B, LOCAL))
    assert answered.failure is None


def test_what_is_an_outage_and_what_is_about_the_document() -> None:
    def leaves(kind: type[CallFailed]) -> list[type[CallFailed]]:
        return [leaf for one in kind.__subclasses__() for leaf in leaves(one)] or [kind]

    about_the_document = {one.kind for one in leaves(CallFailed) if not one.is_outage and one.__module__ == MODULE}
    assert about_the_document == {leaf.kind for leaf in leaves(ReplyRefused) if leaf.__module__ == MODULE} | {
        "request_refused",
        "context_too_long",
        "prompt_failed",
    }
    assert all(one.is_outage for one in leaves(CallFailed) if one.is_endpoint_fault)


def test_a_second_opinion_that_agrees_raises_and_one_that_differs_lowers_and_is_named() -> None:
    from blocks.evidence.confidence import of_signals

    route = (RouteStep(model="a", accept=NEVER), RouteStep(model="b", role="second_opinion"))
    routed = walk(
        ScriptedGateway({"a": reads(0.8, **RIGHT), "b": reads(0.8, day="2024-05-01", total="4.50")}), bill(*route)
    )
    day, total = routed.answer.fields["day"], routed.answer.fields["total"]
    assert total.value == "9.00", "a second opinion keeps the first"
    assert day.signals is not None
    assert total.signals is not None
    assert (len(day.signals.agreeing), day.signals.disagreeing) == (1, ())
    assert (total.signals.agreeing, len(total.signals.disagreeing)) == ((), 1)
    for one, is_higher in ((day.signals, True), (total.signals, False)):
        alone = one.model_copy(update={"agreeing": (), "disagreeing": ()})
        assert (of_signals(one) >= of_signals(alone)) is is_higher
    assert routed.steps[-1] == StepTrace(step=1, model="b", outcome="answered", why="differing: total")
    assert routed.answer.model == "a@v1 + b@v1"


def test_what_only_one_of_two_models_found_is_a_disagreement() -> None:
    route = (RouteStep(model="a", accept=NEVER), RouteStep(model="b", role="second_opinion"))
    routed = walk(ScriptedGateway({"a": reads(day="2024-05-01"), "b": reads(total="9.00")}), bill(*route))
    assert routed.steps[-1].why == "differing: day, total"
    for name in ("day", "total"):
        signals = routed.answer.fields[name].signals
        assert signals is not None
        assert signals.disagreeing == (0.5,)


def test_a_second_opinion_on_the_built_in_model_alone_is_the_first_answer_of_a_model() -> None:
    route = (
        RouteStep(model="local", accept=NEVER),
        RouteStep(model="a", accept=NEVER),
        RouteStep(model="b", role="second_opinion"),
    )
    routed = walk(ScriptedGateway({"a": fails(ServerFailed("a", 500)), "b": reads(**RIGHT)}), bill(*route))
    assert (routed.answer.model, routed.failure) == ("b@v1", None)
    assert routed.answer.fields["total"].signals is not None
    assert routed.answer.fields["total"].signals.disagreeing == ()


LETTER = bill(
    RouteStep(model="a", accept=StepAcceptance(criteria={"tone": 0.7})),
    RouteStep(model="a", prompt="rewrite", role="rewrite", when=StepCondition(criterion_below={"tone": 0.7})),
    LOCAL,
    prompts={"default": "read", "rewrite": "mend"},
).model_copy(
    update={
        "fields": {
            "day": DocumentField(type=FieldType.DATE, required=True, aliases=("Day",)),
            "reply": DocumentField(type=FieldType.TEXT, written=True),
        },
        "rubric": Rubric(criteria=(Criterion(name="tone", description="", judges="reply"),)),
    }
)


def writes(first: float, second: float) -> ScriptedGateway:
    def answer(question: Question) -> ModelReply:
        is_again = bool(question.request.written)
        text = f"{question.request.prompt}: {question.request.written.get('reply', '')}"
        given = reads(0.9, {"tone": second if is_again else first}, day="2099-01-01" if is_again else "2024-05-01")
        fields = dict(given(question).fields) | {"reply": FieldReading(value=text, confidence=0.9)}  # type: ignore[union-attr]
        return given(question).model_copy(update={"fields": fields})  # type: ignore[union-attr]

    return ScriptedGateway({"a": answer})


def test_what_was_written_in_the_wrong_tone_is_written_again_and_nothing_else_changes() -> None:
    gateway = writes(0.4, 0.9)
    routed = walk(gateway, LETTER)
    again = gateway.asked[1][1].request
    assert (again.prompt, again.variant, again.fields) == ("mend", "rewrite", ("reply",))
    assert again.written == {"reply": "read: "}
    assert routed.answer.fields["reply"].value == "mend: read: "
    assert routed.answer.fields["day"].value == "2024-05-01"
    assert routed.answer.criteria["tone"].grade == 0.9
    assert [trace.outcome for trace in routed.steps] == ["unsure", "answered"]
    assert routed.steps[0].why == "tone is graded 0.40, under 0.7"


def test_what_is_written_well_is_not_written_again() -> None:
    gateway = writes(0.8, 0.9)
    assert outcomes(walk(gateway, LETTER)) == [("a", "answered")]


def test_where_nothing_was_written_nothing_is_rewritten_and_the_document_waits_for_a_model() -> None:
    routed = walk(ScriptedGateway({"a": fails(ServerFailed("a", 500))}), LETTER)
    assert [trace.outcome for trace in routed.steps] == ["server_failed", "skipped", "answered"]
    assert routed.failure is not None
    assert set(routed.answer.fields) == {"day"}, "the built-in model writes nothing"


@pytest.mark.parametrize(
    ("when", "why"),
    [
        (StepCondition(pages=(2, None)), "it has 1 pages"),
        (StepCondition(tokens=(None, 5)), "tokens"),
        (StepCondition(ocr_confidence_below=0.9), "its OCR confidence is 1.00"),
        (StepCondition(sensitive=True), "its type is not sensitive"),
        (StepCondition(confidence_below=0.2), "its confidence is 0."),
        (StepCondition(criterion_below={"tone": 0.5}), "tone"),
        (StepCondition(unanswered=False), "no model has answered"),
    ],
)
def test_a_step_whose_condition_does_not_hold_is_left_out_and_says_why(when: StepCondition, why: str) -> None:
    gateway = ScriptedGateway({"a": reads(**RIGHT)})
    routed = walk(gateway, bill(RouteStep(model="local", accept=NEVER), RouteStep(model="a", when=when)))
    assert gateway.names == []
    assert routed.steps[1].outcome == "skipped"
    assert why in routed.steps[1].why
    assert routed.failure is None, "no model was needed"


def test_models_of_the_run_replace_the_route_and_the_built_in_one_stays_the_floor() -> None:
    gateway = ScriptedGateway({"a": fails(ServerFailed("a", 500)), "b": reads(**RIGHT)})
    routed = walk(gateway, bill(LOCAL), ("a", "b"))
    assert (gateway.names, routed.answer.model) == (["a", "b"], "b@v1")
    gateway = ScriptedGateway({"a": fails(ServerFailed("a", 500))})
    routed = walk(gateway, bill(LOCAL), ("a",))
    assert (routed.answer.model, routed.failure is not None) == (f"local@{VERSION}", True)


def test_no_more_documents_are_at_a_model_than_it_can_take_and_waiting_is_not_failing() -> None:
    gateway = ScriptedGateway({"a": reads(**RIGHT)}, (model("a", in_flight=2, timeout_s=1.0),), wait_s=0.01)
    route, document_type = Route(gateway), bill(A)

    async def many() -> list[Routed]:
        documents = [gateway.assignment(document_type, document_id=f"d{at}") for at in range(40)]
        return await asyncio.gather(*(route.take(document) for document in documents))

    routed = asyncio.run(many())
    assert gateway.most_under_way == 4, "two for each call in flight"
    assert all(one.answer.model == "a@v1" and one.failure is None for one in routed)


def test_the_runs_of_a_process_share_the_threads_that_judge() -> None:
    gateway = ScriptedGateway({"a": reads(**RIGHT)})
    before = set(threading.enumerate())
    routes = [Route(gateway) for _ in range(JUDGING_THREADS + 1)]
    for route in routes:
        assert asyncio.run(route.take(gateway.assignment(bill(A)))).answer.model == "a@v1"
    assert len(set(threading.enumerate()) - before) <= JUDGING_THREADS


def test_a_document_waits_for_room_within_the_limits_again_and_again() -> None:
    tries = iter([LimitsReached("a"), LimitsReached("a"), None])

    def answer(question: Question) -> ModelReply | Exception:
        return next(tries) or reads(**RIGHT)(question)

    gateway = ScriptedGateway({"a": answer})
    routed = walk(gateway, bill(A))
    assert (gateway.names, routed.failure) == (["a", "a", "a"], None)
    first, last = gateway.asked[0][1], gateway.asked[2][1]
    assert first.deadline < last.deadline
    assert last.document_budget_usd == Decimal("0.10")


def test_a_defect_is_no_failure_of_a_model() -> None:
    with pytest.raises(ZeroDivisionError):
        walk(ScriptedGateway({"a": fails(ZeroDivisionError())}), bill(A, LOCAL))
