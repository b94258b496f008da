"""`winnow models test`: one real call of a model, with all policies, and the lines that describe it."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from blocks.database.engine import Database
from blocks.database.models.calls import list_calls
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.gateway.event_loop import gateway_loop
from blocks.gateway.gateway import RunTerms
from blocks.gateway.model import ModelReply, ModelRequest, Question, Usage
from blocks.gateway.policies import circuit
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.records import TEST_LANE, Page
from blocks.settings import Settings
from tasks.runs.models import hold_gateway, open_gateway

TEXT = "Bakery Miller\nRye bread   4.20\nRolls   4.80\nTotal EUR   9.00\nPaid on 2026-03-14, thank you"
EXPECTED = {"total": "9.00", "date": "2026-03-14"}
MODES = {
    JsonMode.SCHEMA: "the server enforces the schema",
    JsonMode.OBJECT: "the server enforces JSON, but no schema",
    JsonMode.PROMPT: "the server enforces nothing; the prompt asks for JSON",
    JsonMode.UNKNOWN: "it is not known yet what the server enforces",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """A reply, and its cost by the ledger: `cost_usd`, and up to `unconfirmed_usd` more."""

    reply: ModelReply
    cost_usd: Decimal
    unconfirmed_usd: Decimal


def try_model(database: Database, model: RegisteredModel, settings: Settings) -> Trial:
    """Ask a model about a small receipt, without the cache. The ledger has the call in a run of its own.

    The budgets of a document and of the day bound it; a pause stops it. Raises what the model raises, and
    `ModelKeyMissing` or `ModelPriceUnknown` before anything is sent.
    """
    terms = RunTerms(
        run_usd=settings.budget_per_document_usd,
        day_usd=settings.budget_per_day_usd,
        reads_cache=False,
        keeps_texts=settings.keep_prompts,
    )
    run_id = f"{TEST_LANE}-{uuid.uuid4()}"
    question = Question(
        request=ModelRequest(
            document_id=run_id,
            document_type=_receipt(),
            pages=(Page(number=1, method="parsed", text=TEXT),),
        ),
        run_id=run_id,
        deadline=time.monotonic() + model.timeout_s,
        lane=TEST_LANE,
        document_budget_usd=settings.budget_per_document_usd,
    )
    with _quiet_circuits(), hold_gateway(database):
        models = open_gateway(database).for_run(terms)
        reply = gateway_loop().submit(models.answer(model.name, question)).result()
    attempts = list_calls(database, run_id=run_id)
    return Trial(
        reply,
        sum((attempt["cost_usd"] for attempt in attempts), Decimal(0)),
        sum((attempt["unconfirmed_usd"] for attempt in attempts), Decimal(0)),
    )


@contextmanager
def _quiet_circuits() -> Iterator[None]:
    """Log no opened circuit: the trial reports its failure itself."""
    circuit.log.disabled = True
    try:
        yield
    finally:
        circuit.log.disabled = False


def trial_lines(model: RegisteredModel, trial: Trial) -> list[str]:
    """Lines that describe the call."""
    reply, usage = trial.reply, trial.reply.usage
    read = {name: reply.fields[name].value if name in reply.fields else None for name in EXPECTED}
    wrong = [name for name, value in EXPECTED.items() if str(read[name]) != value]
    lines = [
        f"{model.name} answered in {reply.latency_ms} ms, the first byte after {reply.first_byte_ms} ms",
        f"served by: {reply.model_version or model.upstream}",
        f"read: {', '.join(f'{name} {value}' for name, value in read.items())}"
        + (f"; wrong: {', '.join(wrong)}" if wrong else "; all correct"),
        f"usage: {_usage(usage)}",
        f"cost: {_cost(trial)}"
        + (f"; the provider states ${usage.stated_cost_usd:f}" if usage.stated_cost_usd is not None else ""),
        f"schema: {model.json_mode.value}: {MODES[model.json_mode]}",
    ]
    if reply.is_repaired:
        lines.append("the reply was broken JSON and had to be repaired")
    return lines + [f"note: {note}" for note in reply.notes]


def _usage(usage: Usage) -> str:
    if not usage.is_stated:
        return "the server stated none"
    return (
        f"{usage.input_tokens} tokens in ({usage.cached_tokens} cached), {usage.output_tokens} out "
        f"({usage.reasoning_tokens} reasoning)"
    )


def _cost(trial: Trial) -> str:
    if not trial.unconfirmed_usd:
        return f"${trial.cost_usd.normalize():f}"
    return f"not confirmed, at most ${(trial.cost_usd + trial.unconfirmed_usd).normalize():f}, which the budgets count"


def _receipt() -> DocumentType:
    fields = {
        "total": DocumentField(type=FieldType.MONEY, description="the amount to pay", required=True),
        "date": DocumentField(type=FieldType.DATE, description="the day of payment", required=True),
    }
    return DocumentType(name="receipt", title="Receipt", description="A receipt of a shop.", fields=fields)
