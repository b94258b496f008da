"""What a call of a model costs this machine: CPU per call, wall time over the ideal, and memory over the run.

Against the provider double, which runs in a process of its own and answers after a fixed latency. Every subject runs in
a fresh process: the calls are spread over so many workers as may be in flight, each call with a document of its own.
The ideal wall time is calls / in flight x latency. CPU is user and system time of the client's process, per call,
after a warm-up that opens the connections. Memory is the resident set after a tenth of the calls and at the end.

Subjects: bare aiohttp, bare httpx, the `openai` client and litellm's Router (with the retries, timeouts and limits that
it has), Winnow's transport alone, and the gateway: all that a run has around one call of a model (cache, corrective
turn, retries, circuit, budgets and a ledger in a fresh SQLite file, limits, the judging of the reply), for a type of 12
fields. Left out is what a run does between calls: its routes, and the checks of evidence. A run keeps more documents at
a model than calls are in flight, so that the ledger's work for one is done while others wait for the model; the gateway
does too. Python searches for garbage as seldom in every subject as runs have it do. litellm is no dependency: give the
interpreter of an environment that has it (`uv venv litellm && uv pip install --python litellm litellm`, then
`--litellm-python litellm/bin/python`).
"""

import argparse
import asyncio
import contextlib
import gc
import importlib.util
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.gateway.gateway import Gateway

ROOT = Path(__file__).resolve().parent.parent
MODEL = "gpt-4o-mini"
TIMEOUT_S = 60.0
COLLECT_EVERY = 100_000
"""As blocks/gateway/event_loop.py; litellm's environment has no Winnow to import it from."""
TEXT = "\n".join(f"{line:02} consulting on site, 3 hours at 120.00 EUR, total 360.00 EUR" for line in range(60))
"""About 4 kB, as an invoice of a page."""

FIELDS = {f"field_{n}": f"{n:02} consulting on site" for n in range(12)}
REPLY = json.dumps(
    {
        "fields": {
            name: {"value": value, "evidence": [{"page": 1, "quote": value}], "confidence": 0.9}
            for name, value in FIELDS.items()
        }
    }
)

Ask = Callable[[int], Awaitable[str]]
"""Asks the model about document number n and gives the text of its reply."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--load", nargs="+", default=["50:0.2", "200:1.0"], help="calls in flight : latency in s")
    parser.add_argument("--subjects", nargs="+", choices=sorted(SUBJECTS), default=list(SUBJECTS))
    parser.add_argument("--litellm-python", type=Path, help="interpreter of an environment that has litellm")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--one", nargs=5, metavar=("SUBJECT", "URL", "CALLS", "IN_FLIGHT", "LATENCY"), help="internal")
    arguments = parser.parse_args()
    if arguments.one:
        subject, url, calls, in_flight, latency = arguments.one
        print(json.dumps(asyncio.run(measure_one(subject, url, int(calls), int(in_flight), float(latency)))))
        return
    figures = measure(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures, printed as they come."""
    sys.path.insert(0, str(ROOT))
    from tests.doubles.model_provider.handle import ModelProviderDouble

    figures: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "calls": arguments.calls,
    }
    print(f"{figures['machine']}; {arguments.calls:,} calls")
    with ModelProviderDouble() as double:
        for load in arguments.load:
            in_flight, latency_s = load.split(":")
            print(f"\n{in_flight} in flight, {float(latency_s) * 1000:g} ms latency")
            print(f"  {'':14}{'CPU ms/call':>12}{'wall/ideal':>12}{'MB at 10 %':>12}{'MB at end':>11}{'failed':>8}")
            for subject in arguments.subjects:
                double.script(latency_s=float(latency_s), rules=[{"do": {"text": REPLY}}])
                row = _run(subject, double.url, arguments, in_flight, latency_s)
                figures.setdefault(load, {})[subject] = row
                if "why" in row:
                    print(f"  {subject:14}{row['why']}")
                    continue
                row["high_water"] = double.state()["high_water"]
                print(
                    f"  {subject:14}{row['cpu_ms']:>12.3f}{row['wall_over_ideal']:>12.3f}{row['mb_at_tenth']:>12.1f}"
                    f"{row['mb_at_end']:>11.1f}{row['failed']:>8}"
                )
    return figures


def _run(subject: str, url: str, arguments: argparse.Namespace, in_flight: str, latency_s: str) -> dict[str, Any]:
    python = sys.executable
    if subject == "litellm" and importlib.util.find_spec("litellm") is None:
        if arguments.litellm_python is None:
            return {"why": "not installed here; see --litellm-python"}
        python = str(arguments.litellm_python)
    command = [python, __file__, "--one", subject, url, str(arguments.calls), in_flight, latency_s]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"why": f"failed: {(done.stderr.strip() or f'exit code {done.returncode}').splitlines()[-1]}"}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


async def measure_one(subject: str, url: str, calls: int, in_flight: int, latency_s: float) -> dict[str, float]:
    """The figures of one subject, of this process."""
    gc.set_threshold(COLLECT_EVERY, *gc.get_threshold()[1:])
    async with SUBJECTS[subject](url, in_flight) as ask:
        at_once = in_flight * DOCUMENTS_PER_CALL.get(subject, 1)
        await _ask_all(ask, iter(range(-2 * at_once, 0)), at_once, lambda _: None)
        memory: dict[int, float] = {}

        def remember(done: int) -> None:
            if done in {calls // 10, calls}:
                memory[done] = _resident_mb()

        started, cpu = time.perf_counter(), _cpu_s()
        failed = await _ask_all(ask, iter(range(calls)), at_once, remember)
        wall_s, cpu_s = time.perf_counter() - started, _cpu_s() - cpu
    return {
        "cpu_ms": round(cpu_s / calls * 1000, 4),
        "wall_s": round(wall_s, 2),
        "wall_over_ideal": round(wall_s / (calls / in_flight * latency_s), 4),
        "mb_at_tenth": memory.get(calls // 10, 0.0),
        "mb_at_end": memory.get(calls, 0.0),
        "failed": failed,
    }


async def _ask_all(ask: Ask, numbers: Iterator[int], at_once: int, done: Callable[[int], None]) -> int:
    """Ask about all documents, so many at once; how many replies did not have the model's text."""
    ended, failed = itertools.count(1), 0

    async def work() -> None:
        nonlocal failed
        for number in numbers:
            failed += await ask(number) != REPLY
            done(next(ended))

    await asyncio.gather(*(work() for _ in range(at_once)))
    return failed


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def _messages(number: int) -> list[dict[str, str]]:
    text = f"Invoice {number}\n{TEXT}"
    return [{"role": "system", "content": "Read the invoice. Answer in JSON."}, {"role": "user", "content": text}]


def _body(number: int) -> dict[str, Any]:
    return {"model": MODEL, "messages": _messages(number), "temperature": 0, "response_format": {"type": "json_object"}}


def _text(reply: Any) -> str:
    return str(reply["choices"][0]["message"]["content"])


@contextlib.asynccontextmanager
async def _aiohttp(url: str, in_flight: int) -> AsyncIterator[Ask]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def ask(number: int) -> str:
            async with session.post(f"{url}/v1/chat/completions", json=_body(number), headers=HEADERS) as reply:
                return _text(await reply.json())

        yield ask


@contextlib.asynccontextmanager
async def _httpx(url: str, in_flight: int) -> AsyncIterator[Ask]:
    import httpx

    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx.AsyncClient(limits=limits, timeout=TIMEOUT_S, trust_env=False) as client:

        async def ask(number: int) -> str:
            reply = await client.post(f"{url}/v1/chat/completions", json=_body(number), headers=HEADERS)
            return _text(reply.json())

        yield ask


@contextlib.asynccontextmanager
async def _openai(url: str, in_flight: int) -> AsyncIterator[Ask]:
    import openai

    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, timeout=TIMEOUT_S, max_retries=2) as client:

        async def ask(number: int) -> str:
            body: Any = _body(number)
            reply = await client.chat.completions.create(**body)
            return reply.choices[0].message.content or ""

        yield ask


@contextlib.asynccontextmanager
async def _litellm(url: str, in_flight: int) -> AsyncIterator[Ask]:
    import litellm

    parameters = {"model": f"openai/{MODEL}", "api_base": f"{url}/v1", "api_key": KEY, "timeout": TIMEOUT_S}
    parameters |= {"rpm": 10_000_000, "tpm": 10_000_000_000, "max_parallel_requests": in_flight}
    router = litellm.Router(
        model_list=[{"model_name": MODEL, "litellm_params": parameters}],
        num_retries=2,
        timeout=TIMEOUT_S,
        allowed_fails=100,
        cooldown_time=30,
        routing_strategy="usage-based-routing-v2",
    )

    async def ask(number: int) -> str:
        reply = await router.acompletion(**_body(number))
        return str(reply.choices[0].message.content)

    yield ask


@contextlib.asynccontextmanager
async def _transport(url: str, in_flight: int) -> AsyncIterator[Ask]:
    from blocks.gateway.providers.transport import Transport

    async with aclosing(Transport(max_connections=in_flight)) as transport:

        async def ask(number: int) -> str:
            content = json.dumps(_body(number)).encode()
            deadline = time.monotonic() + TIMEOUT_S
            reply = await transport.post(f"{url}/v1/chat/completions", HEADERS, content, deadline, MODEL, TIMEOUT_S)
            return _text(json.loads(reply.body))

        yield ask


@contextlib.asynccontextmanager
async def _gateway(url: str, in_flight: int) -> AsyncIterator[Ask]:
    from blocks.document_types.schema import DocumentField, DocumentType, FieldType
    from blocks.gateway.gateway import RunTerms
    from blocks.gateway.model import ModelRequest, Question
    from blocks.records import Page

    fields = {name: DocumentField(type=FieldType.TEXT, required=True, description=name) for name in FIELDS}
    kind = DocumentType(name="invoice", title="Invoice", description="What is to be paid.", fields=fields)
    terms = RunTerms(run_usd=Decimal(1_000), day_usd=Decimal(1_000))
    with tempfile.TemporaryDirectory() as folder:
        gateway = await asyncio.to_thread(_open_gateway, f"sqlite:///{folder}/winnow.db", url, in_flight)
        run = gateway.for_run(terms)

        async def ask(number: int) -> str:
            page = Page(number=1, method="parsed", text=f"Invoice {number}\n{TEXT}")
            request = ModelRequest(document_id=f"document {number}", document_type=kind, pages=(page,))
            deadline = time.monotonic() + TIMEOUT_S
            reply = await run.answer(MODEL, Question(request, "benchmark", deadline, document_budget_usd=Decimal(1)))
            is_right = {name: reading.value for name, reading in reply.fields.items()} == FIELDS
            return REPLY if is_right and not reply.is_cached else "another reply"

        yield ask
        await gateway.close()


def _open_gateway(address: str, url: str, in_flight: int) -> "Gateway":
    """A gateway over a fresh database, in whose registry the double stands with limits that it never meets."""
    from pydantic import SecretStr

    from blocks.database.engine import open_database
    from blocks.database.models.circuit_states import DatabaseCircuitStates
    from blocks.database.models.ledger import DatabaseLedger
    from blocks.database.models.limit_leases import DatabaseLimitLeases
    from blocks.database.models.registry import DatabaseRegistry
    from blocks.database.models.reply_cache import DatabaseReplyCache
    from blocks.gateway.gateway import Gateway, SharedState
    from blocks.gateway.policies.shared_state import CircuitReport
    from blocks.gateway.registry.registry import RegisteredModel, registry_state

    database = open_database(address)
    registry = DatabaseRegistry(database, registry_state)
    registry.put(
        RegisteredModel(
            name=MODEL,
            provider="openai",
            upstream=MODEL,
            endpoint=f"{url}/v1",
            key="env:BENCHMARK_KEY",
            input_price=Decimal("0.15"),
            output_price=Decimal("0.60"),
            rpm=10_000_000,
            tpm=1_000_000_000,
            in_flight=in_flight,
            timeout_s=TIMEOUT_S,
            context_window=128_000,
        )
    )
    ledger = DatabaseLedger(database)
    leases = DatabaseLimitLeases(database, ledger.worker_id)
    circuits = DatabaseCircuitStates(database, CircuitReport)
    shared = SharedState(registry, ledger, circuits, leases, DatabaseReplyCache(database))
    return Gateway(shared, {"env:BENCHMARK_KEY": SecretStr(KEY)})


KEY = "sk-benchmark"
HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
Subject = Callable[[str, int], contextlib.AbstractAsyncContextManager[Ask]]
SUBJECTS: dict[str, Subject] = {
    "aiohttp": _aiohttp,
    "httpx": _httpx,
    "openai": _openai,
    "litellm": _litellm,
    "transport": _transport,
    "gateway": _gateway,
}
DOCUMENTS_PER_CALL = {"gateway": 2}
"""Documents at the model, by calls in flight, where it is not one, as in runs (TURNS_PER_CALL of routing/calls.py)."""

if __name__ == "__main__":
    main()
