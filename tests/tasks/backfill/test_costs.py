"""What calls may cost: from the ledger where it knows, else from prices, else bounded by budgets."""

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal

import pytest

from blocks.backfill.plan import NOTHING, Range, StageWork, Terms, TypeChange, TypeCost
from blocks.database.pipeline.planning import CallsOfType
from blocks.document_types.schema import DocumentType, MemoryRules
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.records import OUTPUT_STAGES, Stage
from blocks.settings import load_settings
from tasks.backfill.costs import costs_of, seconds_of

MINI = RegisteredModel(
    name="mini", provider="openai", upstream="mini", input_price=Decimal("0.4"), output_price=Decimal("1.6")
)
OTHER = MINI.model_copy(update={"name": "other"})
INVOICE = DocumentType.model_validate(
    {"name": "invoice", "title": "Invoice", "fields": {"total": {"type": "money"}}, "route": [{"model": "mini"}]}
)
NO_CALLS = CallsOfType((), (), 0, ())
CHANGED = TypeChange(document_type="invoice", version="1", documents=9, diff="", has_texts=True, stages=(Stage.SCORE,))


def cost(
    known: dict[str, CallsOfType],
    counts: tuple[int, int] = (100, 100),
    changes: tuple[TypeChange, ...] = (CHANGED,),
    models: tuple[RegisteredModel, ...] = (MINI, OTHER),
    invoice: DocumentType = INVOICE,
) -> TypeCost:
    def ledger(name: str, models: Collection[str]) -> CallsOfType:
        assert name == "invoice"
        return next((known[model] for model in models if model in known), NO_CALLS)

    types = {"invoice": invoice}
    settings = load_settings()
    [found] = costs_of(
        ledger, types, RegistryState(models), settings, Terms(), {"invoice": counts, "unknown": (1, 1)}, changes
    )
    return found


def calls(number: int, each_usd: str, without_calls: int = 0) -> CallsOfType:
    return CallsOfType((1,) * number, (Decimal(each_usd),) * number, without_calls, ((1_000, 500),) * number)


def test_equal_calls_give_an_exact_cost_for_as_many_documents() -> None:
    found = cost({"mini": calls(50, "0.002")}, counts=(100, 300))
    assert found.calls == Range(low=Decimal(100), high=Decimal(300))
    assert found.cost_usd == Range(low=Decimal("0.2"), high=Decimal("0.6"))
    assert found.basis == "the ledger's calls for 50 documents of the type"


@pytest.mark.parametrize(("has_examples", "most"), [(False, "0.8"), (True, "0.2")])
def test_examples_may_make_calls_dearer_than_those_without_any(has_examples: bool, most: str) -> None:
    invoice = INVOICE.model_copy(update={"memory": MemoryRules(examples=3)})
    known = replace(calls(50, "0.002"), has_examples=has_examples)
    found = cost({"mini": known}, invoice=invoice)
    assert found.cost_usd == Range(low=Decimal("0.2"), high=Decimal(most))
    assert ("with up to 3 examples" in found.basis) is not has_examples


def test_documents_that_asked_no_model_count_with_no_cost() -> None:
    found = cost({"mini": calls(50, "0.002", without_calls=50)})
    # half of the documents call: 50 of 100, with a standard deviation of sqrt(100/4 * (1 + 1)) = 7.07
    assert (found.calls.low, found.calls.high) == (Decimal(35), Decimal(65))


def test_unchanged_prompts_may_be_answered_by_stored_replies() -> None:
    found = cost({"mini": calls(50, "0.002")}, changes=())
    assert found.calls == Range(low=Decimal(0), high=Decimal(100))
    assert found.cost_usd.low == 0


def test_without_calls_of_a_model_its_price_and_the_tokens_of_others_count() -> None:
    found = cost({"other": calls(50, "99")})
    each_usd = (1_000 * Decimal("0.4") + 500 * Decimal("1.6")) / 1_000_000
    assert found.cost_usd.high == pytest.approx(100 * each_usd, rel=Decimal("1"))
    assert found.cost_usd.high is not None
    assert found.cost_usd.high >= 100 * each_usd


def test_without_any_calls_the_budget_bounds_the_cost() -> None:
    found = cost({})
    assert (found.calls.high, found.cost_usd) == (None, Range(low=Decimal(0), high=Decimal(50)))


def test_a_disabled_model_costs_nothing() -> None:
    off = MINI.model_copy(update={"is_enabled": False})
    found = cost({"mini": calls(50, "0.002")}, models=(off,))
    assert found.calls == found.cost_usd == NOTHING


def test_the_time_follows_from_how_long_stages_took() -> None:
    stages = [StageWork(stage=stage, certain=0, at_most=0) for stage in OUTPUT_STAGES[:-1]]
    stages.append(StageWork(stage=Stage.VALIDATE, certain=1_000, at_most=1_000))
    found = seconds_of(stages, {"validate": 10.0, "extract": 9_000.0}, load_settings(), asks_models=False)
    assert found == Range(low=Decimal(12), high=Decimal(20 + 30 + 20))
