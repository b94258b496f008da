"""Which budget stands in a reservation's way, and what a sheet writes."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from blocks.database.engine import Database
from blocks.database.models.budgets import DAY, RUN, BudgetSheet, day_of, open_budgets
from blocks.ledger import ADMITTED, Admission, Caps, ModelCall, Reservation
from tests.database_fixtures import budget_of

USD = Decimal
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEYS = {(RUN, "r"), (DAY, "2026-11-20")}


def asking(max_usd: str, caps: Caps) -> Reservation:
    call = ModelCall(document_id="d", model="m", model_version="1", call_key="k")
    return Reservation("r", call, USD(max_usd), caps)


def reserve(
    database: Database,
    max_usd: str,
    caps: Caps,
    *,
    run: tuple[str, str] = ("0", "0"),
    day: tuple[str, str] = ("0", "0"),
) -> Admission:
    """The answer to a reservation where run and day have spent and reserved so much."""
    open_budgets(database, KEYS)
    with database.write() as connection:
        sheet = BudgetSheet(connection, database, KEYS)
        sheet._sums[RUN, "r"].add(*map(USD, run))
        sheet._sums[DAY, day_of(AT)].add(*map(USD, day))
        admission = sheet.reserve(asking(max_usd, caps), AT)
        sheet.write()
    return admission


@pytest.mark.parametrize("used_up", ["run", "day"])
def test_a_call_waits_for_no_money_where_another_budget_is_used_up_for_good(
    sqlite_database: Database, used_up: str
) -> None:
    held, spent = ("0.1", "0.9"), ("1", "0")
    amounts = {"run": spent, "day": held} if used_up == "run" else {"run": held, "day": spent}
    admission = reserve(sqlite_database, "0.1", Caps(run_usd=USD(1), day_usd=USD(1)), **amounts)
    assert admission == Admission(False, used_up, USD(1), USD(1), may_fit_later=False)


def test_a_call_waits_where_every_budget_in_its_way_is_only_reserved(sqlite_database: Database) -> None:
    caps = Caps(run_usd=USD(1), day_usd=USD(1))
    admission = reserve(sqlite_database, "0.1", caps, run=("0.1", "0.9"), day=("0.2", "0.8"))
    assert admission == Admission(False, "run", USD(1), USD("0.1"), may_fit_later=True)
    assert budget_of(sqlite_database, "run", "r") == (USD("0.1"), USD("0.9")), "a refusal reserves nothing"


def test_a_call_that_fits_exactly_is_admitted_and_one_that_just_does_not_is_refused(sqlite_database: Database) -> None:
    caps = Caps(run_usd=USD(1))
    assert reserve(sqlite_database, "0.1", caps, run=("0.5", "0.4")) == ADMITTED
    assert budget_of(sqlite_database, "run", "r") == (USD("0.5"), USD("0.5"))
    assert budget_of(sqlite_database, "day", "2026-11-20") == (0, USD("0.1"))
    refused = reserve(sqlite_database, "0.0000000001", caps)
    assert refused == Admission(False, "run", USD(1), USD("0.5"), may_fit_later=True)


def test_a_call_that_just_fits_what_is_spent_may_fit_later(sqlite_database: Database) -> None:
    caps = Caps(day_usd=USD(1))
    assert reserve(sqlite_database, "0.5", caps, day=("0.5", "0.1")).may_fit_later
    assert not reserve(sqlite_database, "0.5", caps, day=("0.0000000001", "0")).may_fit_later


def test_without_a_cap_all_is_admitted(sqlite_database: Database) -> None:
    assert reserve(sqlite_database, "1000000", Caps(), run=("9", "9")) == ADMITTED


def test_the_day_of_a_call_is_that_of_utc() -> None:
    assert day_of(datetime(2026, 11, 20, 1, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-19"
