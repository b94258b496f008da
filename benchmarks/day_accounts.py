"""The accounts of the day (day.py): documents and their states, cents of both sides, traces of a name, stack traces."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from day_place import Place


def documents(place: Place) -> dict[str, list[str]]:
    """By document all its current states: the verdict of its current result, open failures, that it was erased."""
    found: dict[str, list[str]] = {
        row[0]: ["erased"] if row[1] else [] for row in place.query("SELECT document_id, erased_at FROM documents")
    }
    for id_, status in place.query("SELECT document_id, status FROM results WHERE is_current"):
        found[id_].append(status)
    for id_, _ in place.query("SELECT document_id, kind FROM failures WHERE resolved_at IS NULL AND retry = 'never'"):
        found[id_].append("failed")
    return found


def states(place: Place, ids: Collection[str]) -> dict[str, int]:
    """How many of these documents have each state."""
    found = documents(place)
    return dict(sorted(Counter(state for id_ in ids for state in found.get(id_, [])).items()))


def settled(place: Place, ids: Collection[str]) -> int:
    """How many of these documents have a state, while no run works."""
    if place.one("SELECT COUNT(*) FROM runs WHERE state IS NULL"):
        return 0
    found = documents(place)
    return sum(bool(found.get(id_)) for id_ in ids)


def places(place: Place, ids: Collection[str]) -> list[str]:
    """Where these documents were seen."""
    return [uri for id_, uri in place.query("SELECT document_id, uri FROM sources") if id_ in ids]


def reasons(place: Place, ids: Collection[str]) -> dict[str, int]:
    """Why these documents are in review."""
    found: Counter[str] = Counter()
    for id_, value in place.query("SELECT document_id, reasons FROM results WHERE is_current AND status = 'in_review'"):
        if id_ in ids:
            found.update(value if isinstance(value, list) else json.loads(value))
    return dict(found)


def waiting(place: Place) -> int:
    """How many results are provisional: the next run takes them up."""
    return int(place.one("SELECT COUNT(*) FROM results WHERE is_current AND provisional"))


def decided(place: Place) -> list[tuple[Any, ...]]:
    """The results that people decided, with their values."""
    rows = place.query(
        "SELECT document_id, status, decided_by, fields FROM results WHERE decided_by IS NOT NULL AND is_current"
    )
    return sorted((row[0], row[1], row[2], str(row[3])) for row in rows)


def calls(place: Place) -> list[tuple[str, str]]:
    """The document and the outcome of every attempt at a model."""
    return [(row[0], row[1]) for row in place.query("SELECT document_id, outcome FROM model_calls")]


def ledger_usd(place: Place) -> Decimal:
    """What the ledger says that models have cost."""
    return sum((Decimal(str(row[0])) for row in place.query("SELECT cost_usd FROM model_calls")), Decimal(0))


def unconfirmed(place: Place) -> list[Decimal]:
    """What attempts without a reply may have cost, each."""
    rows = place.query("SELECT unconfirmed_usd FROM model_calls")
    return [usd for row in rows if (usd := Decimal(str(row[0])))]


def bill_usd(place: Place) -> Decimal:
    """What the provider bills."""
    return sum((Decimal(entry["cost_usd"]) for entry in place.requests() if entry["cost_usd"]), Decimal(0))


def unledgered(place: Place) -> Decimal:
    """What the provider bills beside the ledger, where that is no more than the unconfirmed calls could have cost."""
    rest = bill_usd(place) - ledger_usd(place)
    return rest if Decimal(0) < rest <= sum(unconfirmed(place), Decimal(0)) else Decimal(0)


def planned_usd(plan: dict[str, Any]) -> tuple[Decimal, Decimal]:
    """The range of cost that a plan states, over all types."""
    low, high = (sum((Decimal(cost["cost_usd"][end]) for cost in plan["costs"]), Decimal(0)) for end in ("low", "high"))
    return low, high


@dataclass(frozen=True)
class Traces:
    """Stack traces of a log: how many say that an SQLite was locked, and what the others say."""

    locked: int
    others: list[str]


def stack_traces(place: Place) -> Traces:
    """What the stack traces in up.log end with: the lines that name an exception."""
    ends = re.findall(r"^\S+ \S+ \w+ \| ((?:\w+\.)*\w*(?:Error|Exception|Timeout|Interrupt)\b.*)$", place.log, re.M)
    locked = [end for end in ends if "database is locked" in end]
    return Traces(len(locked), sorted({end[:150] for end in ends} - {end[:150] for end in locked}))


def hits(place: Place, name: str) -> dict[str, int]:
    """By place how often a name, or a part of it, stands there: databases, logs, caches."""
    folder = place.folder
    words = [name.encode(), name.rpartition(" ")[2].encode()]
    if place.prefect_database is None:
        found = {"Winnow's database": _in_files(folder.glob(".winnow/winnow.db*"), words)}
        found["Prefect's database"] = _in_files(folder.glob("state/winnow/prefect/prefect.db*"), words)
    else:
        found = {f"{which}'s database": _in_dump(place, which.lower(), words) for which in ("Winnow", "Prefect")}
    caches = [path for path in folder.rglob("*") if ".winnow" in path.parts or "state" in path.parts]
    found["other files of Winnow and Prefect"] = _in_files(
        (path for path in caches if path.is_file() and ".db" not in path.name), words
    )
    return found


def _in_files(paths: Iterable[Path], words: list[bytes]) -> int:
    return sum(content.count(word) for path in paths if (content := path.read_bytes()) for word in words)


def _in_dump(place: Place, database: str, words: list[bytes]) -> int:
    address = place.database.replace("+psycopg", "").rpartition("/")[0]
    dump = subprocess.run(["pg_dump", f"{address}/{database}"], check=True, capture_output=True).stdout
    return sum(dump.count(word) for word in words)
