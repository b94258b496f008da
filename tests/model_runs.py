"""Runs of the real command over order notes, with models of the provider double, and what the database has of them."""

import json
import sqlite3
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from blocks.database.engine import close_database, open_database
from blocks.gateway.registry.registry import RegisteredModel
from tasks.runs.models import open_registry
from tests.doubles.model_provider.handle import ModelProviderDouble
from tests.doubles.note_reader import REFERENCE, note
from tests.winnow_command import Workplace

KEY = "sk-canary-7f3a91c4e6d8b250"
KEY_VARIABLE = "NOTES_API_KEY"
PRICES = {"*": {"input": "0.4", "output": "1.6"}}
TRUTHFUL = "tests.doubles.note_reader:truthful"
SENT = "(first_byte_ms > 0 or cast(unconfirmed_usd as real) > 0)"
"""Attempts that left the machine; the double's latency keeps the time to its first byte above 0 ms."""

NOTE = """\
title: Order note
fields:
  reference: {type: text, required: true, aliases: [reference], hints: {kind: identifier, pattern: 'REF-\\d{4}'}}
  amount: {type: money, required: true, aliases: [amount]}
"""


@dataclass
class Notes:
    """A user's folder with a type `note` of their own, and a database whose models are the double's."""

    workplace: Workplace
    provider: ModelProviderDouble

    @property
    def path(self) -> Path:
        return self.workplace.folder / ".winnow" / "winnow.db"

    @property
    def types(self) -> Path:
        return self.workplace.folder / "types"

    def type(self, more: str = "", name: str = "note") -> Path:
        """Write a type; `more` is YAML after its title and fields, such as a route."""
        folder = self.types / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "type.yaml").write_text(f"name: {name}\n{NOTE}{more}")
        return folder

    def write(self, number: int, name: str = "notes.jsonl", kinds: Sequence[str] = ("note",), start: int = 0) -> str:
        """Put so many notes into a file, one per row, of these kinds in turn; gives its name."""
        numbers = range(start, start + number)
        rows = (json.dumps({"id": at, "text": note(at, kinds[at % len(kinds)])}) for at in numbers)
        (self.workplace.folder / name).write_text("\n".join(rows) + "\n")
        return name

    def add(self, name: str, server: ModelProviderDouble | None = None, **values: Any) -> None:
        """Put a model into the registry, as `winnow models add` does. The double knows it as ``up-<name>``."""
        told = {"provider": "openai", "endpoint": f"{(server or self.provider).url}/v1", "max_output_tokens": 400}
        told |= {"key": f"env:{KEY_VARIABLE}", "input_price": Decimal("0.4"), "output_price": Decimal("1.6")}
        model = RegisteredModel.model_validate({"name": name, "upstream": f"up-{name}", **told, **values})
        self.path.parent.mkdir(exist_ok=True)
        database = open_database(self.workplace.environment.get("WINNOW_DATABASE_URL", f"sqlite:///{self.path}"))
        try:
            open_registry(database).put(model)
        finally:
            close_database(database)

    def arguments(self, source: str, *options: str) -> tuple[str, ...]:
        return source, "--rows", "text", "--type", "note", *options

    def run(self, source: str, *options: str, expect: int = 0) -> dict[str, Any]:
        """`winnow run` over a file of notes, each declared to be one."""
        return self.workplace.run(*self.arguments(source, *options), expect=expect)

    # --- what the database has

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the database; none as long as there is no such table."""
        try:
            with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30) as connection:
                return connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error) or "unable to open" in str(error):
                return []
            raise

    def outcomes(self) -> Counter[str]:
        """Attempts at models by outcome."""
        return Counter(dict(self.query(f"select outcome, count(*) from model_calls where {SENT} group by 1")))

    def ledger_usd(self) -> Decimal:
        """What the ledger says that models have cost."""
        return sum((Decimal(cost) for (cost,) in self.query("select cost_usd from model_calls")), Decimal(0))

    def unconfirmed_usd(self) -> Decimal:
        """What may have been billed beside that."""
        return sum((Decimal(cost) for (cost,) in self.query("select unconfirmed_usd from model_calls")), Decimal(0))

    def reserved_usd(self) -> Decimal:
        """What budgets hold for calls under way."""
        rows = self.query("select reserved_usd from budgets union all select reserved_usd from model_calls")
        return sum((Decimal(usd) for (usd,) in rows), Decimal(0))

    def references(self) -> dict[str, str]:
        """By document id the reference that its note has."""
        rows = self.query("select document_id, content from documents where content is not null")
        return {id_: found[0] for id_, content in rows if (found := REFERENCE.search(_text(content)))}

    def attempts(self) -> Counter[str]:
        """Attempts in the ledger by the note's reference; what reads no document counts under its own id."""
        known = self.references()
        rows = self.query(f"select document_id, count(*) from model_calls where {SENT} group by 1")
        return Counter({known.get(id_, id_): count for id_, count in rows})

    def states(self) -> Counter[str]:
        """Documents by the one state that each is in. Fails where one is in none, or in two."""
        found: dict[str, list[str]] = {id_: [] for id_ in self.references()}
        for id_, status, provisional in self.query(
            "select document_id, status, provisional from results where is_current"
        ):
            found[id_].append(f"{status}, provisional" if provisional else status)
        for (id_,) in self.query("select document_id from failures where resolved_at is null"):
            found[id_].append("failed")
        assert {len(states) for states in found.values()} <= {1}, found
        items = Counter(id_ for (id_,) in self.query("select document_id from review where status = 'open'"))
        in_review = {id_ for id_, (state,) in found.items() if state.startswith("in_review")}
        assert set(items) == in_review
        assert max(items.values(), default=1) == 1
        return Counter(state for (state,) in found.values())

    def reasons(self) -> Counter[str]:
        """Reasons of current results, each counted once per document."""
        rows = self.query("select reasons from results where is_current")
        return Counter(reason for (told,) in rows for reason in json.loads(told))

    def provisional(self) -> set[str]:
        """References of the notes whose current result is provisional."""
        rows = self.query("select document_id from results where is_current and provisional")
        known = self.references()
        return {known[id_] for (id_,) in rows}

    def results(self) -> dict[str, tuple[Any, ...]]:
        """By reference the current result: status, provisional, fields, reasons."""
        known = self.references()
        rows = self.query("select document_id, status, provisional, fields, reasons from results where is_current")
        return {
            known[id_]: (status, bool(provisional), json.loads(fields), json.loads(reasons))
            for id_, status, provisional, fields, reasons in rows
        }

    def confidences(self, field: str) -> dict[str, float]:
        """By reference how sure the field of the current result is, where its type has it."""
        known = self.references()
        rows = self.query("select document_id, confidences from results where is_current")
        told = {known[id_]: json.loads(confidences) for id_, confidences in rows}
        return {reference: sure[field] for reference, sure in told.items() if field in sure}

    def steps(self) -> dict[str, list[dict[str, Any]]]:
        """By reference what became of each step of the route."""
        known = self.references()
        rows = self.query("select document_id, payload from stage_outputs where stage = 'score' and is_current")
        return {known[id_]: json.loads(_text(payload))["steps"] for id_, payload in rows}


def asked_notes(log: Sequence[dict[str, Any]]) -> Counter[str]:
    """Requests in the double's log by the note's reference. Needs a script with `keep_bodies`."""
    return Counter(REFERENCE.findall(json.dumps(entry["body"]["messages"]))[0] for entry in log)


def wait_for_requests(provider: ModelProviderDouble, number: int, timeout_s: float = 180.0) -> None:
    """Wait until the double has had so many requests."""
    deadline = time.monotonic() + timeout_s
    while provider.state()["requests"] < number:
        assert time.monotonic() < deadline, f"{provider.state()} in {timeout_s} s"
        time.sleep(0.02)


def _text(kept: bytes) -> str:
    return (kept if kept.startswith(b"{") else zlib.decompress(kept)).decode()


@pytest.fixture
def notes(workplace: Workplace, model_provider: ModelProviderDouble) -> Notes:
    """A folder with the type `note`, the double's key in the environment, and no model yet."""
    made = Notes(workplace, model_provider)
    made.type()
    workplace.environment |= {"WINNOW_DOCUMENT_TYPES_DIR": str(made.types), KEY_VARIABLE: KEY}
    workplace.environment["WINNOW_MODEL_OUTAGE_PATIENCE_S"] = "2"
    return made
