"""A run of 200 documents through a provider that fails in every way: what becomes of documents, attempts and money.

The real command over receipts, e-invoices and tickets, against the provider double. The first model of the run meets
each fault of servers in a tenth of its requests, the second, which takes over where the first fails, each fault of
replies; the other half of each is answered truthfully where a key knows the truth. The same again with a small budget.
A document with a wrong type or none is in these figures like any other.
"""

import argparse
import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.doubles.model_provider.handle import ModelProviderDouble

ROOT = Path(__file__).resolve().parents[1]
WINNOW = str(Path(sys.executable).parent / "winnow")
DATA = Path("../shared/data")
SETS = (("sroie_text/text", "*.txt", 100), ("einvoices/pdf", "*.pdf", 40), ("tickets/txt", "*.txt", 60))
OF_SERVERS: dict[str, dict[str, Any]] = {
    "429 with Retry-After": {"error": "rate_limited", "headers": {"retry-after": "1"}},
    "500": {"error": "server_error"},
    "529": {"error": "overloaded", "status": 529},
    "reset in mid body": {"cut": "reset", "cut_at": 0.5},
    "stalled": {"cut": "stall", "cut_at": 0.3},
}
OF_REPLIES: dict[str, dict[str, Any]] = {
    "truncated": {"finish": "length", "keep_text": 0.5},
    "malformed": {"text": '{"fields": {"total": NaN, "total": "1'},
    "empty choices": {"body": '{"id": "x", "object": "chat.completion", "model": "m", "choices": []}'},
    "refusal": {"text": "I cannot help with that.", "finish": "refusal"},
    "wrong schema": {"text": '{"fields": {"colour": {"value": "red", "evidence": [], "confidence": 1}}}'},
}
PRICE = {"input": "0.4", "output": "1.6"}
FIRST_QUESTION_S = 120


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from tests.doubles.model_provider.handle import ModelProviderDouble

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--budgets", nargs="+", default=["10", "0.20"], help="one run each, in USD")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    figures = []
    with tempfile.TemporaryDirectory() as folder, ModelProviderDouble() as provider:
        source = laid_out(options.data, Path(folder) / "documents")
        environment = os.environ | {"HOME": folder, "XDG_STATE_HOME": f"{folder}/state", "FAULTS_KEY": "sk-double"}
        try:
            for budget in options.budgets:
                figures.append(measure(Path(folder) / f"budget {budget}", provider, source, budget, environment))
                show(figures[-1])
        finally:
            subprocess.run([WINNOW, "server", "stop"], env=environment, check=False, capture_output=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def laid_out(data: Path, folder: Path) -> Path:
    """The first documents of each set in a folder of their own."""
    folder.mkdir()
    for place, pattern, number in SETS:
        for path in sorted((data / place).glob(pattern))[:number]:
            shutil.copy(path, folder / path.name)
    return folder


def measure(
    home: Path, provider: "ModelProviderDouble", source: Path, budget: str, environment: dict[str, str]
) -> dict[str, Any]:
    """One run in a folder of its own, and what its database and the double's books say of it."""
    home.mkdir()
    script = {"hook": "benchmarks.readers:truthful", "prices": {"*": PRICE}, "latency_s": 0.1, "seed": 1}
    provider.script(**script)
    ask_once(provider.port)  # the truth is read at the first question
    rules = [
        {"name": name, "when": {"share": 0.1, "model": f"up-{model}"}, "do": do}
        for model, faults in (("first", OF_SERVERS), ("second", OF_REPLIES))
        for name, do in faults.items()
    ]
    provider.script(**script, rules=rules)

    def winnow(*arguments: str) -> str:
        done = subprocess.run(
            [WINNOW, *arguments], cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=1800
        )
        if done.returncode:
            raise SystemExit(f"winnow {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    for model in ("first", "second"):
        place = ("--endpoint", f"{provider.url}/{model}/v1", "--key-env", "FAULTS_KEY", "--timeout-s", "10")
        price = ("--input-price", PRICE["input"], "--output-price", PRICE["output"])
        winnow("models", "add", model, "--provider", "openai", "--model", f"up-{model}", *place, *price)
        winnow("models", "set", model, "max_output_tokens=1000")
    started = time.monotonic()
    winnow("run", str(source), "--model", "first,second", "--budget", budget, "--json")
    wall_s = time.monotonic() - started
    return {"budget_usd": budget, "wall_s": round(wall_s, 1)} | books(home / ".winnow" / "winnow.db", provider)


def ask_once(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=FIRST_QUESTION_S)
    question = {"model": "up-first", "messages": [{"role": "user", "content": "Are you there?"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(question), {"content-type": "application/json"})
    connection.getresponse().read()
    connection.close()


def books(path: Path, provider: "ModelProviderDouble") -> dict[str, Any]:
    with sqlite3.connect(path) as connection:
        query = connection.execute
        results = query("select document_id, status, provisional from results where is_current").fetchall()
        states = {id_: f"{status}{', provisional' if provisional else ''}" for id_, status, provisional in results}
        failed = {id_ for (id_,) in query("select document_id from failures where resolved_at is null")}
        known = {id_ for (id_,) in query("select document_id from run_documents")}
        calls = query("select outcome, first_byte_ms, cost_usd, unconfirmed_usd from model_calls").fetchall()
        held = query("select reserved_usd from budgets union all select reserved_usd from model_calls").fetchall()
    was_sent = [bool(first_byte_ms or Decimal(cost) or Decimal(most)) for _, first_byte_ms, cost, most in calls]
    ledger = sum((Decimal(cost) for _, _, cost, _ in calls), Decimal(0))
    return {
        "documents": len(known),
        "states": dict(Counter(states.values()) + Counter(failed=len(failed))),
        "in one state": sum(1 for document in known if (document in states) != (document in failed)),
        "attempts": dict(Counter(outcome for (outcome, *_), sent in zip(calls, was_sent, strict=True) if sent)),
        "held back": was_sent.count(False),
        "requests": len(provider.log()),
        "ledger_usd": str(ledger),
        "bill_usd": str(provider.total_usd()),
        "unconfirmed_usd": str(sum((Decimal(most) for _, _, _, most in calls), Decimal(0))),
        "reserved_usd": f"{sum((Decimal(usd) for (usd,) in held), Decimal(0)):f}",
    }


def show(figures: dict[str, Any]) -> None:
    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]))

    is_same = Decimal(figures["ledger_usd"]) == Decimal(figures["bill_usd"])
    spent = Decimal(figures["ledger_usd"]) + Decimal(figures["unconfirmed_usd"])
    print(f"\n| budget of the run, USD | {figures['budget_usd']} |\n|---|---|")
    print(f"| documents in exactly one state | {figures['in one state']} of {figures['documents']} |")
    print(f"| documents | {listed(figures['states'])} |")
    print(f"| requests in the provider's log, attempts in the ledger | {figures['requests']}, "
          f"{sum(figures['attempts'].values())} |")  # fmt: skip
    print(f"| attempts | {listed(figures['attempts'])} |")
    print(f"| held back before they were sent | {figures['held back']} |")
    same = "the same" if is_same else "NOT THE SAME"
    print(f"| ledger, provider's bill, USD | {figures['ledger_usd']}, {figures['bill_usd']}: {same} |")
    within = "within" if spent <= Decimal(figures["budget_usd"]) else "ABOVE"
    print(f"| with what may have been billed beside it, USD | {spent}: {within} the budget |")
    print(f"| still reserved, USD | {figures['reserved_usd']} |")
    print(f"| wall, s | {figures['wall_s']} |", flush=True)


if __name__ == "__main__":
    main()
