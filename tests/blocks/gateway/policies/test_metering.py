import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline.runs import run_costs
from blocks.database.tables import budgets, model_call_texts, model_calls
from blocks.errors import DatabaseUnreachable
from blocks.gateway.errors import (
    BudgetExhausted,
    BudgetHeld,
    CallFailed,
    ConnectionFailed,
    LedgerUnavailable,
    LimitsReached,
    ModelsPaused,
    PromptFailed,
    RateLimited,
    TruncatedReply,
    WrongSchema,
)
from blocks.gateway.model import Correction, ModelReply, Question, Usage
from blocks.gateway.policies.metering import Metered, hit_recorder, request_bytes
from blocks.gateway.prompts.prompts import canonical_prompt, prompt_digest, prompt_version
from blocks.gateway.spending.group_commit import Rounds
from blocks.gateway.spending.ledger_writer import LedgerWriter
from blocks.gateway.spending.prices import INPUT, OUTPUT, REQUESTS, Price
from blocks.ledger import Admission, Caps, ModelCall, Reservation, Settlement
from blocks.records import CACHE_HIT, LOST, OK
from tests.database_fixtures import budget_of
from tests.doubles.failing_models import Scripted, a_model, a_question

USD = Decimal
FREE = Price(((None, {INPUT: USD(0), OUTPUT: USD(0)}),))
PRICE = Price(((None, {INPUT: USD("2.5"), OUTPUT: USD("10")}),))
REPLY = ModelReply(
    usage=Usage(input_tokens=1000, output_tokens=100, cached_tokens=10),
    model="m",
    model_version="gpt-2026-01-01",
    latency_ms=321,
    first_byte_ms=45,
    sent_text="what was sent",
    received_text="what came",
)
COST = USD("0.0035")

Script = Callable[[int, Question], ModelReply | BaseException]


def ledger_of(database: Database) -> DatabaseLedger:
    return DatabaseLedger(database)


def question(document_id: str = "d", seconds: float = 20.0, **changes: Any) -> Question:
    return replace(a_question(time.monotonic() + seconds, document_id=document_id), **changes)


def most_of(asked: Question) -> Decimal:
    return PRICE.max_cost(request_bytes(asked, canonical_prompt(asked.request)), 0, 50)


def document_cap(asked: Question) -> Caps:
    return Caps(document_usd=asked.document_budget_usd)


def metered(model: Scripted, ledger_writer: LedgerWriter, **given: Any) -> Metered:
    terms: dict[str, Any] = {"price_of": lambda _: PRICE, "max_output_tokens": 50, "caps": document_cap}
    return Metered(model, ledger_writer, **terms | given)


def ask(database: Database, script: Script | None = None, asked: Question | None = None, **given: Any) -> ModelReply:
    """Ask once; the ledger is closed after, so that nothing is left to chance."""
    ledger = ledger_of(database)

    async def scene() -> ModelReply:
        ledger_writer = LedgerWriter(ledger, Rounds())
        try:
            return await metered(Scripted(script or (lambda _at, _q: REPLY)), ledger_writer, **given).answer(
                asked or question()
            )
        finally:
            assert await ledger_writer.close() == 0

    try:
        return asyncio.run(scene())
    finally:
        assert open_rows(database) == []
        ledger.close()


def rows_of(database: Database) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [dict(row) for row in connection.execute(select(model_calls)).mappings()]


def open_rows(database: Database) -> list[dict[str, Any]]:
    return [row for row in rows_of(database) if row["outcome"] == "open" or row["reserved_usd"]]


def test_a_call_is_settled_by_the_usage_that_the_provider_states(sqlite_database: Database) -> None:
    asked = question(step=2, lane="test", attempt=3)
    reply = ask(sqlite_database, asked=asked)
    assert reply.usage.cost_usd == COST
    (row,) = rows_of(sqlite_database)
    expected = {
        "cost_usd": COST,
        "unconfirmed_usd": 0,
        "outcome": "ok",
        "error_kind": None,
        "model_version": "gpt-2026-01-01",
        "input_tokens": 1000,
        "output_tokens": 100,
        "cached_tokens": 10,
        "latency_ms": 321,
        "first_byte_ms": 45,
        "input_characters": len(canonical_prompt(asked.request)),
        "step": 2,
        "attempt": 3,
        "lane": "test",
        "run_id": "r",
    }
    assert {name: row[name] for name in expected} == expected
    assert len(row["request_digest"]) == len(row["prompt_version"]) == 64
    assert budget_of(sqlite_database, "run", "r") == (COST, 0)


def stating(stated: str | None) -> ModelReply:
    usage = replace(REPLY.usage, stated_cost_usd=None if stated is None else USD(stated))
    return REPLY.model_copy(update={"usage": usage})


@pytest.mark.parametrize(
    ("stated", "unconfirmed", "warnings"),
    [(None, "0", 0), ("0.003501", "0.000001", 0), ("0.005", "0.0015", 1), ("0.001", "0", 1), ("0", "0", 1)],
)
def test_the_cost_that_a_provider_states_stands_beside_ours_and_budgets_count_the_higher(
    stated: str | None, unconfirmed: str, warnings: int, sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ask(sqlite_database, lambda _at, _q: stating(stated))
    (row,) = rows_of(sqlite_database)
    assert row["stated_cost_usd"] == (None if stated is None else USD(stated))
    assert (row["cost_usd"], row["unconfirmed_usd"]) == (COST, USD(unconfirmed))
    assert budget_of(sqlite_database, "run", "r") == (COST + USD(unconfirmed), 0)
    told = [record.getMessage() for record in caplog.records if "correct the price" in record.getMessage()]
    assert len(told) == warnings


def test_budgets_count_nothing_of_a_model_that_is_free_whatever_its_provider_states(sqlite_database: Database) -> None:
    ask(sqlite_database, lambda _at, _q: stating("0.005"), price_of=lambda _: FREE)
    (row,) = rows_of(sqlite_database)
    assert (row["cost_usd"], row["unconfirmed_usd"], row["stated_cost_usd"]) == (0, 0, USD("0.005"))


def test_the_price_is_that_of_the_model_that_served(sqlite_database: Database) -> None:
    dearer = Price(((None, {INPUT: USD(25), OUTPUT: USD(100)}),))
    prices = {"": PRICE, "gpt-2026-01-01": dearer, "gpt-other": dearer}
    assert ask(sqlite_database, price_of=lambda served_by: prices[served_by]).usage.cost_usd == 10 * COST
    cut = sent(TruncatedReply("m"), usage=REPLY.usage, served_by="gpt-other")
    with pytest.raises(TruncatedReply):
        ask(sqlite_database, lambda _at, _q: cut, price_of=lambda served_by: prices[served_by])
    assert [row["cost_usd"] for row in rows_of(sqlite_database)] == [10 * COST] * 2


def sent(error: CallFailed, **changes: Any) -> CallFailed:
    for name, value in changes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    ("error", "cost", "share_unconfirmed"),
    [
        (ConnectionFailed("m", "reset", was_sent=True), USD(0), 1),
        (ConnectionFailed("m", "refused", was_sent=False), USD(0), 0),
        (sent(TruncatedReply("m"), usage=Usage(input_tokens=1000, output_tokens=100)), COST, 0),
        (sent(WrongSchema("m", "no"), usage=Usage(is_stated=False)), USD(0), 1),
        (sent(WrongSchema("m", "no"), usage=Usage(input_tokens=-1000)), USD(0), 1),
        (RateLimited("m"), USD(0), 0),
        (LimitsReached("m"), USD(0), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, CallFailed) else "",
)
def test_a_failed_call_costs_what_its_usage_says_and_else_perhaps_all_that_was_reserved(
    sqlite_database: Database, error: CallFailed, cost: Decimal, share_unconfirmed: int
) -> None:
    asked = question()
    unconfirmed = most_of(asked) * share_unconfirmed
    with pytest.raises(type(error)):
        ask(sqlite_database, lambda _at, _q: error, asked)
    (row,) = rows_of(sqlite_database)
    assert (row["outcome"], row["error_kind"]) == (error.kind, error.kind)
    assert (row["cost_usd"], row["unconfirmed_usd"]) == (cost, unconfirmed)
    assert budget_of(sqlite_database, "run", "r") == (cost + unconfirmed, 0)
    assert run_costs(sqlite_database, "r").unconfirmed_usd == unconfirmed


def test_a_reply_without_counts_is_given_out_and_counts_as_reserved(sqlite_database: Database) -> None:
    asked = question()
    ask(sqlite_database, lambda _at, _q: REPLY.model_copy(update={"usage": Usage(is_stated=False)}), asked)
    (row,) = rows_of(sqlite_database)
    assert (row["outcome"], row["cost_usd"], row["unconfirmed_usd"]) == ("ok", 0, most_of(asked))


def test_a_cost_stated_without_counts_counts_where_it_is_above_what_was_reserved(sqlite_database: Database) -> None:
    usage = Usage(is_stated=False, stated_cost_usd=USD(5))
    ask(sqlite_database, lambda _at, _q: REPLY.model_copy(update={"usage": usage}))
    (row,) = rows_of(sqlite_database)
    assert (row["cost_usd"], row["unconfirmed_usd"]) == (0, 5)


def test_a_defect_of_ours_is_ledgered_too(sqlite_database: Database) -> None:
    with pytest.raises(KeyError):
        ask(sqlite_database, lambda _at, _q: KeyError("oops"))
    (row,) = rows_of(sqlite_database)
    assert (row["outcome"], row["unconfirmed_usd"]) == ("internal", most_of(question()))


@pytest.mark.parametrize("was_sent", [True, False])
def test_a_caller_that_is_cancelled_leaves_a_row_that_says_so(sqlite_database: Database, was_sent: bool) -> None:
    class Cancelled(Scripted):
        async def answer(self, question: Question) -> ModelReply:
            try:
                return await super().answer(question)
            except asyncio.CancelledError as error:
                if not was_sent:
                    error.was_sent = False  # type: ignore[attr-defined] # told to whoever keeps the books
                raise

    ledger = ledger_of(sqlite_database)

    async def scene() -> None:
        ledger_writer = LedgerWriter(ledger, Rounds())
        model = Cancelled(takes_s=30)
        task = asyncio.create_task(metered(model, ledger_writer).answer(question()))
        while not model.under_way:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await ledger_writer.close() == 0

    asyncio.run(scene())
    (row,) = rows_of(sqlite_database)
    assert (row["outcome"], row["error_kind"]) == ("cancelled", None)
    assert row["unconfirmed_usd"] == (most_of(question()) if was_sent else 0)
    assert open_rows(sqlite_database) == []
    ledger.close()


def test_a_loop_that_is_closed_settles_what_it_had_under_way(sqlite_database: Database) -> None:
    """`asyncio.run` cancels all tasks when it ends, those that settle among them."""
    ledger = ledger_of(sqlite_database)

    async def scene() -> None:
        ledger_writer = LedgerWriter(ledger, Rounds(5))
        model = Scripted(lambda _at, _q: REPLY, takes_s=0.05)
        tasks = [asyncio.create_task(metered(model, ledger_writer).answer(question(str(at)))) for at in range(5)]
        while len(model.asked) < 5:
            await asyncio.sleep(0.001)
        tasks[0].cancel()
        await asyncio.sleep(0.1)
        assert ledger_writer.pending == 5

    asyncio.run(scene())
    assert sorted(row["outcome"] for row in rows_of(sqlite_database)) == ["cancelled", "ok", "ok", "ok", "ok"]
    assert open_rows(sqlite_database) == []
    ledger.close()


def test_what_a_provider_turns_away_costs_no_fee_per_request(sqlite_database: Database) -> None:
    fee = Price(((None, {INPUT: USD("2.5"), OUTPUT: USD("10"), REQUESTS: USD(12)}),))
    turned_away = RateLimited("m")
    turned_away.usage = Usage()
    with pytest.raises(RateLimited):
        ask(sqlite_database, lambda _at, _q: turned_away, price_of=lambda _: fee)
    (row,) = rows_of(sqlite_database)
    assert (row["outcome"], row["cost_usd"], row["unconfirmed_usd"]) == ("rate_limited", 0, 0)
    assert ask(sqlite_database, price_of=lambda _: fee).usage.cost_usd == COST + USD("0.012")


def test_what_a_provider_breaks_off_costs_the_tokens_that_it_states(
    sqlite_database: Database,
) -> None:
    broken_off = RateLimited("m")
    broken_off.usage = REPLY.usage
    with pytest.raises(RateLimited):
        ask(sqlite_database, lambda _at, _q: broken_off)
    (row,) = rows_of(sqlite_database)
    assert (row["cost_usd"], row["output_tokens"]) == (COST, 100)
    assert budget_of(sqlite_database, "run", "r") == (COST, 0)


def test_a_row_has_the_digest_that_the_cache_knows_the_request_by_and_a_corrective_turn_one_of_its_own(
    sqlite_database: Database,
) -> None:
    correction = Correction('{"fields": {}}', "fields is empty")
    for asked in (question(digest="d" * 64), question(digest="d" * 64, correction=correction), question()):
        ask(sqlite_database, asked=asked)
    first, corrected, unkept = (row["request_digest"] for row in rows_of(sqlite_database))
    assert first == "d" * 64
    assert unkept == prompt_digest(question().request)
    assert len({first, corrected, unkept}) == 3


def test_free_models_reserve_nothing_and_are_ledgered(sqlite_database: Database) -> None:
    ask(sqlite_database, price_of=lambda _: FREE, caps=lambda _: Caps(USD(0), USD(0), USD(0)))
    (row,) = rows_of(sqlite_database)
    assert (row["outcome"], row["cost_usd"], row["unconfirmed_usd"]) == ("ok", 0, 0)
    with sqlite_database.read() as connection:
        assert connection.execute(select(budgets)).all() == []


def test_a_template_that_cannot_be_rendered_costs_nothing(sqlite_database: Database) -> None:
    broken = a_question(time.monotonic() + 20)
    broken = replace(broken, request=broken.request.model_copy(update={"prompt": "{{ nothing.such }}"}))
    with pytest.raises(PromptFailed):
        ask(sqlite_database, asked=broken)
    assert rows_of(sqlite_database) == []


def test_paused_models_are_not_asked(sqlite_database: Database) -> None:
    with pytest.raises(ModelsPaused):
        ask(sqlite_database, is_paused=lambda: True)
    with pytest.raises(ModelsPaused):  # a free one of one's own server too
        ask(sqlite_database, price_of=lambda _: FREE, is_paused=lambda: True)
    assert rows_of(sqlite_database) == []


def test_a_pause_while_money_is_reserved_stops_the_call_before_it_is_sent(sqlite_database: Database) -> None:
    answers = iter([False, True])
    with pytest.raises(ModelsPaused):
        ask(sqlite_database, lambda _at, _q: pytest.fail("it was sent"), is_paused=lambda: next(answers))
    (row,) = rows_of(sqlite_database)
    assert (row["outcome"], row["unconfirmed_usd"]) == ("cancelled", 0)


def test_texts_are_kept_only_where_that_is_asked_for(sqlite_database: Database) -> None:
    ask(sqlite_database)
    query = select(model_call_texts.c.prompt, model_call_texts.c.reply)
    with sqlite_database.read() as connection:
        assert connection.execute(query).all() == []
    ask(sqlite_database, keep_texts=True)
    with pytest.raises(TruncatedReply):
        ask(sqlite_database, lambda _at, _q: sent(TruncatedReply("m"), reply_text="{cut"), keep_texts=True)
    with sqlite_database.read() as connection:
        kept = [tuple(row) for row in connection.execute(query)]
    assert kept == [("what was sent", "what came"), (canonical_prompt(question().request), "{cut")]


def test_texts_stand_in_no_payload_and_in_no_repr() -> None:
    assert "what" not in REPLY.model_dump_json()
    assert "what" not in repr(REPLY)


def test_the_most_that_is_reserved_counts_prompt_schema_and_correction() -> None:
    asked = question()
    prompt = canonical_prompt(asked.request)
    plain = request_bytes(asked, prompt)
    corrected = replace(asked, correction=Correction("é" * 10, "wrong"))
    assert plain > len(prompt.encode())
    assert request_bytes(corrected, prompt) == plain + 20 + 5


# --- budgets


async def ask_all(metered_model: Metered, callers: int, seconds: float = 20.0) -> list[str]:
    async def one(at: int) -> str:
        try:
            await metered_model.answer(question(str(at), seconds))
        except CallFailed as error:
            return error.kind
        return "ok"

    return await asyncio.gather(*(one(at) for at in range(callers)))


def paying(usd_of_output: int) -> Script:
    """Replies whose price is that of so many tokens of output, which cost 0.00001 USD each."""
    reply = REPLY.model_copy(update={"usage": Usage(output_tokens=usd_of_output)})
    return lambda _at, _q: reply


def test_room_for_ten_lets_ten_of_64_through_and_the_others_wait_until_that_is_sure(database: Database) -> None:
    ledger = ledger_of(database)
    most = most_of(question("00"))
    tokens = int(most * 100_000)
    cap = USD(tokens) / 100_000 * 9 + most  # nine that cost this much, and one more

    async def scene() -> tuple[list[str], int]:
        ledger_writer = LedgerWriter(ledger, Rounds())
        model = Scripted(paying(tokens), takes_s=0.01)
        kinds = await ask_all(metered(model, ledger_writer, caps=lambda _: Caps(run_usd=cap)), 64)
        assert await ledger_writer.close() == 0
        return kinds, len(model.asked)

    kinds, asked = asyncio.run(scene())
    assert (kinds.count("ok"), kinds.count("budget_exhausted"), asked) == (10, 54, 10)
    spent, reserved = budget_of(database, "run", "r")
    assert spent <= cap
    assert reserved == 0
    assert open_rows(database) == []
    ledger.close()


def test_what_calls_cost_less_than_reserved_goes_to_those_who_wait(sqlite_database: Database) -> None:
    ledger = ledger_of(sqlite_database)
    most = most_of(question("00"))

    async def scene() -> tuple[list[str], int]:
        ledger_writer = LedgerWriter(ledger, Rounds())
        model = Scripted(paying(1), takes_s=0.005)
        kinds = await ask_all(metered(model, ledger_writer, caps=lambda _: Caps(run_usd=most * 2)), 20)
        assert await ledger_writer.close() == 0
        return kinds, model.busiest

    kinds, busiest = asyncio.run(scene())
    assert kinds == ["ok"] * 20
    assert busiest == 2, "never more at once than what they may cost"
    ledger.close()


def test_waiting_for_money_that_others_have_reserved_ends_at_the_deadline(sqlite_database: Database) -> None:
    ledger, other = ledger_of(sqlite_database), ledger_of(sqlite_database)
    asked = question()
    call = ModelCall(document_id="x", model="m", model_version="1", call_key="of another worker", outcome="open")
    other.exchange((), [Reservation("r", call, most_of(asked), Caps())])

    async def scene() -> float:
        ledger_writer = LedgerWriter(ledger, Rounds(), poll_s=0.05)
        model = metered(Scripted(), ledger_writer, caps=lambda _: Caps(run_usd=most_of(asked)))
        started = time.monotonic()
        with pytest.raises(BudgetHeld, match="the rest of the run budget"):
            await model.answer(question(seconds=0.3))
        waited = time.monotonic() - started
        asyncio.get_running_loop().call_later(
            0.2, other.exchange, [Settlement("r", replace(call, outcome="cancelled"))], ()
        )
        await model.answer(question(seconds=10))
        return waited

    assert 0.3 <= asyncio.run(scene()) < 1.3
    ledger.close()
    other.close()


def test_the_documents_own_budget_is_the_question_s(sqlite_database: Database) -> None:
    with pytest.raises(BudgetExhausted, match=r"budget of the document is 0\.001 USD, of which 0 are spent"):
        ask(sqlite_database, asked=question(document_budget_usd=USD("0.001")))
    assert rows_of(sqlite_database) == []


# --- a database that goes away


class Ailing:
    """A ledger before a real one: away while `is_away`, and not to be satisfied by calls of the document `poison`."""

    def __init__(self, ledger: DatabaseLedger) -> None:
        self._ledger = ledger
        self.is_away = False
        self.tries = 0

    def exchange(self, settlements: Sequence[Settlement], reservations: Sequence[Reservation]) -> tuple[Admission, ...]:
        self.tries += 1
        if self.is_away:
            raise DatabaseUnreachable("a database", "it is being restarted")
        calls = [*(entry.call for entry in settlements), *(entry.call for entry in reservations)]
        if any(call.document_id == "poison" for call in calls):
            raise TypeError("no such column")
        return self._ledger.exchange(settlements, reservations)

    def recover(self) -> int:
        return self._ledger.recover()

    def close(self) -> None:
        self._ledger.close()


class GoesAwayOnce(Ailing):
    """Away when the document `late` is first asked about alone, which it is because of `poison`."""

    has_gone = False

    def exchange(self, settlements: Sequence[Settlement], reservations: Sequence[Reservation]) -> tuple[Admission, ...]:
        if not self.has_gone and [one.call.document_id for one in reservations] == ["late"]:
            self.has_gone = True
            raise DatabaseUnreachable("a database", "it is being restarted")
        return super().exchange(settlements, reservations)


def test_what_was_written_one_by_one_stands_where_the_database_goes_away_amid_it(sqlite_database: Database) -> None:
    ledger = ledger_of(sqlite_database)
    going = GoesAwayOnce(ledger)

    async def scene() -> list[object]:
        ledger_writer = LedgerWriter(going, Rounds())
        model = metered(Scripted(lambda _at, _q: REPLY), ledger_writer)
        asked = [model.answer(question(document_id)) for document_id in ("poison", "early", "late")]
        ended: list[object] = list(await asyncio.gather(*asked, return_exceptions=True))
        assert await ledger_writer.close() == 0
        return ended

    poisoned, *others = asyncio.run(scene())
    assert going.has_gone
    assert isinstance(poisoned, LedgerUnavailable)
    assert [type(one) for one in others] == [ModelReply] * 2
    assert {row["document_id"]: row["outcome"] for row in rows_of(sqlite_database)} == {"early": "ok", "late": "ok"}
    assert budget_of(sqlite_database, "run", "r") == (COST * 2, 0)
    ledger.close()


class RefusesWhatIsOver(Ailing):
    """Takes no row of a call that is ok."""

    def exchange(self, settlements: Sequence[Settlement], reservations: Sequence[Reservation]) -> tuple[Admission, ...]:
        if any(one.call.outcome == OK for one in settlements):
            raise TypeError("no such column")
        return super().exchange(settlements, reservations)


def test_a_settlement_that_the_ledger_does_not_take_counts_as_all_that_was_reserved(sqlite_database: Database) -> None:
    ledger = ledger_of(sqlite_database)

    async def scene() -> None:
        ledger_writer = LedgerWriter(RefusesWhatIsOver(ledger), Rounds())
        await metered(Scripted(lambda _at, _q: REPLY), ledger_writer).answer(question())
        assert await ledger_writer.close() == 0

    asyncio.run(scene())
    (row,) = rows_of(sqlite_database)
    assert (row["outcome"], row["reserved_usd"], row["unconfirmed_usd"]) == (LOST, 0, most_of(question()))
    ledger.close()


def test_what_cannot_be_settled_is_kept_until_the_database_is_back(sqlite_database: Database) -> None:
    ledger = ledger_of(sqlite_database)
    ailing = Ailing(ledger)

    def goes_away(at: int, _question: Question) -> ModelReply:
        ailing.is_away = True
        return REPLY

    async def scene() -> list[str]:
        ledger_writer = LedgerWriter(ailing, Rounds(), outage_wait_limit_s=0.2)
        model = metered(Scripted(goes_away, takes_s=0.05), ledger_writer)
        kinds = await ask_all(model, 20)
        assert ledger_writer.pending == 20
        with pytest.raises(LedgerUnavailable, match="being restarted"):
            await model.answer(question("late"))
        ailing.is_away = False
        assert await ledger_writer.close(10) == 0
        return list(kinds)

    assert asyncio.run(scene()) == ["ok"] * 20, "replies are given out, and what they cost is written later"
    assert [row["outcome"] for row in rows_of(sqlite_database)] == ["ok"] * 20
    assert budget_of(sqlite_database, "run", "r") == (COST * 20, 0)
    assert ailing.tries < 40, "all that waits is tried at once, ever more rarely"
    ledger.close()


def test_a_reservation_outlives_a_short_restart_of_the_database(sqlite_database: Database) -> None:
    ledger = ledger_of(sqlite_database)
    ailing = Ailing(ledger)
    ailing.is_away = True

    async def scene() -> None:
        ledger_writer = LedgerWriter(ailing, Rounds())
        asyncio.get_running_loop().call_later(0.3, setattr, ailing, "is_away", False)
        await metered(Scripted(lambda _at, _q: REPLY), ledger_writer).answer(question())

    asyncio.run(scene())
    assert [row["outcome"] for row in rows_of(sqlite_database)] == ["ok"]
    ledger.close()


def test_with_too_many_unsettled_calls_no_other_begins_not_even_a_free_one(sqlite_database: Database) -> None:
    ledger = ledger_of(sqlite_database)
    ailing = Ailing(ledger)
    ailing.is_away = True

    async def scene() -> None:
        ledger_writer = LedgerWriter(ailing, Rounds(), max_pending=3)
        model = metered(Scripted(lambda _at, _q: REPLY), ledger_writer, price_of=lambda _: FREE)
        assert await ask_all(model, 3) == ["ok"] * 3
        assert await ask_all(model, 2) == ["ledger_unavailable"] * 2
        ailing.is_away = False
        assert await ledger_writer.close(10) == 0

    asyncio.run(scene())
    assert len(rows_of(sqlite_database)) == 3
    ledger.close()


def test_a_row_that_no_ledger_takes_keeps_no_other_out_of_it(sqlite_database: Database) -> None:
    ledger = ledger_of(sqlite_database)

    async def scene() -> list[str]:
        ledger_writer = LedgerWriter(Ailing(ledger), Rounds())
        free = metered(Scripted(lambda _at, _q: REPLY), ledger_writer, price_of=lambda _: FREE)
        dear = metered(Scripted(lambda _at, _q: REPLY), ledger_writer)

        async def one(model: Metered, document_id: str) -> str:
            try:
                await model.answer(question(document_id))
            except CallFailed as error:
                return error.kind
            return "ok"

        kinds = await asyncio.gather(
            one(free, "a"), one(free, "poison"), one(dear, "poison"), one(dear, "b"), one(free, "c")
        )
        assert await ledger_writer.close() == 0
        return list(kinds)

    assert asyncio.run(scene()) == ["ok", "ok", "ledger_unavailable", "ok", "ok"]
    assert sorted(row["document_id"] for row in rows_of(sqlite_database)) == ["a", "b", "c"]
    ledger.close()


def test_an_answer_from_the_cache_is_ledgered_by_its_key_and_costs_nothing(sqlite_database: Database) -> None:
    asked = question(step=2, attempt=3, lane="backfill")
    ledger = ledger_of(sqlite_database)

    async def scene() -> None:
        ledger_writer = LedgerWriter(ledger, Rounds())
        await hit_recorder(a_model(), ledger_writer)(asked, "k" * 64)
        assert await ledger_writer.close() == 0

    asyncio.run(scene())
    ledger.close()
    (row,) = rows_of(sqlite_database)
    assert (row["run_id"], row["document_id"], row["request_digest"]) == ("r", "d", "k" * 64)
    assert (row["model"], row["model_version"], row["outcome"]) == ("m", a_model().version, CACHE_HIT)
    assert (row["step"], row["attempt"], row["lane"]) == (2, 3, "backfill")
    assert (row["cost_usd"], row["unconfirmed_usd"], row["reserved_usd"]) == (0, 0, 0)
    assert row["prompt_version"] == prompt_version(asked.request)
