"""`winnow up`: everything on this machine, until Ctrl-C or SIGTERM."""

import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import RunError, UsageError
from blocks.secret_url import SecretUrl
from deployments.cli.output import note, say, warn

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from blocks.database.engine import Database
    from deployments.up.services import Worker
    from deployments.up.supervisor import Supervisor

CHECK_DATABASE_EVERY_S = 15.0


class Profile(StrEnum):
    """Which databases are used."""

    EMBEDDED = "embedded"
    POSTGRES = "postgres"


class Files(StrEnum):
    """What `--print` writes."""

    SYSTEMD = "systemd"
    COMPOSE = "compose"
    ENV = "env"


class NoPostgres(UsageError):
    """The profile postgres without the addresses of its databases."""

    def __init__(self, variable: str, scheme: str) -> None:
        super().__init__(
            f"the profile postgres needs {variable}={scheme}://user:password@host/database; make the database first: "
            "createdb"
        )


class NoPlaceForOptions(UsageError):
    """Options beside a file that holds no command to which they belong."""

    def __init__(self, options: Sequence[str], file: Files) -> None:
        names = ", ".join(option.partition("=")[0] for option in options)
        super().__init__(f"--print {file} has no place for {names}: change them in the file, or --print systemd")


class ServiceDown(RunError):
    """A service did not come up."""

    def __init__(self, name: str, log: Path) -> None:
        why = _last_error(log)
        super().__init__(f"{name} did not start{f' ({why})' if why else ''}; see {log}")


def _last_error(log: Path) -> str:
    """What the last exception in the log says, or nothing where it has none."""
    found = re.findall(
        r"^\S+ \S+ \w+ \| ((?:\w+\.)*\w*(?:Error|Exception): .+)$", log.read_text(errors="replace"), re.M
    )
    return found[-1] if found else ""


@dataclass(frozen=True)
class _Asked:
    """The options of the command."""

    port: int | None = None
    review_host: str = "127.0.0.1"
    review_port: int = 8400
    limit: int = 4

    @property
    def options(self) -> list[str]:
        """Those that are not the usual ones, as words of a command."""
        asked = [(field.name, getattr(self, field.name), field.default) for field in fields(self)]
        return [f"--{name.replace('_', '-')}={value}" for name, value, usual in asked if value != usual]

    @property
    def review_url(self) -> str:
        """The review page, as this machine reaches it."""
        return f"http://{'127.0.0.1' if self.review_host == '0.0.0.0' else self.review_host}:{self.review_port}"


def up(
    profile: Annotated[
        Profile, typer.Option("--profile", help="embedded: SQLite for all; postgres: the databases that variables name")
    ] = Profile.EMBEDDED,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65_535, help="of the Prefect server; by default 4200 if it is free"),
    ] = None,
    review_host: Annotated[
        str, typer.Option("--review-host", help="address of the review page; by default this machine only")
    ] = _Asked.review_host,
    review_port: Annotated[
        int, typer.Option("--review-port", min=1, max=65_535, help="of the review page")
    ] = _Asked.review_port,
    limit: Annotated[int, typer.Option("--limit", min=2, help="runs that the worker works on at once")] = _Asked.limit,
    print_: Annotated[
        Files | None, typer.Option("--print", help="write such a file to standard output, and start nothing")
    ] = None,
) -> None:
    """Run all of Winnow on this machine, until Ctrl-C.

    That is a Prefect server, a worker, deployments, automations and the review page. With PREFECT_API_URL set, the
    server is that one, and this machine joins it.
    """
    asked = _Asked(port, review_host, review_port, limit)
    if print_ is not None:
        from deployments.up.files import text_of

        if asked.options and print_ is not Files.SYSTEMD:
            raise NoPlaceForOptions(asked.options, print_)
        print(text_of(print_.value, profile.value, asked.options), end="")
        return
    _check_profile(profile)
    from deployments.up.running import only_one

    with only_one(), _signals_as_interrupts():
        from deployments.up.supervisor import Supervisor

        supervisor = Supervisor(_log_file())
        try:
            _run(supervisor, asked)
        except KeyboardInterrupt:
            note("stopping …")
        finally:
            _ignore_signals()
            supervisor.stop()
    say("stopped")


def _run(supervisor: "Supervisor", asked: _Asked) -> None:
    """Start everything in order, say where it is, and tend it."""
    from blocks.settings import load_settings
    from deployments.prefect_api import local_server as prefect_server
    from deployments.prefect_api.client import profile_url

    given = load_settings().prefect_api_url or profile_url()
    with nullcontext() if given else prefect_server.supervised():
        _run_at(given, supervisor, asked)


def _run_at(given: SecretUrl | None, supervisor: "Supervisor", asked: _Asked) -> None:
    """The same at the given Prefect API, or at one of its own."""
    from blocks.settings import child_environment, configure, export, load_settings
    from deployments.prefect_api.client import QUIET
    from deployments.up.prepare import deploy, make_pool

    port = None if given else _port(asked.port)
    url = given.get_secret_value() if given else f"http://127.0.0.1:{port}/api"
    own = {"PREFECT_API_URL": url}
    if load_settings().review_url is None:
        own["WINNOW_REVIEW_URL"] = asked.review_url
    environment = child_environment(own, keeps_settings=True)
    server_environment = _server_environment(port) if port else {}
    export(QUIET | {"PREFECT_API_URL": url})
    configure(prefect_api_url=SecretUrl(url))
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(url) as client:
        if port:
            _start_server(supervisor, port, server_environment, client)
        database = _database()
        environment["WINNOW_DATABASE_URL"] = _address(database)
        note("deploying …")
        make_pool(client)
        deployments = deploy(client, environment)
        automations = _automations(client)
        worker = _start_workers(supervisor, asked, environment, client)
        deployed = f"{deployments} in the pool winnow, {automations} automations"
        _tell_others(asked, database)
        _say_where(url, asked, database, deployed, worker, is_own_server=given is None)
        with _inboxes_watched(url):
            _tend(supervisor, database)


@contextmanager
def _inboxes_watched(url: str) -> Iterator[None]:
    """A thread starts a poll when a file arrives in an inbox."""
    import threading

    from deployments.up.watch import watch_inboxes

    stop = threading.Event()
    thread = threading.Thread(target=watch_inboxes, args=(url, stop), name="inboxes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()


def _start_server(
    supervisor: "Supervisor", port: int, environment: Mapping[str, str], client: "SyncPrefectClient"
) -> None:
    from deployments.prefect_api import local_server as prefect_server
    from deployments.up import services

    note("starting the Prefect server (the first time takes half a minute) …")
    prefect_server.stop()  # the one that a run started: it has the same database
    service = services.server(port, environment, client, _log_file())
    supervisor.start(service)
    if not supervisor.wait_for(service, prefect_server.is_up) or not supervisor.wait_for(service):
        if prefect_server.is_taken(port):  # by a server that another user started at the same time
            raise UsageError(f"port {port} is taken: choose another with --port")
        raise ServiceDown("the Prefect server", _log_file())


def _start_workers(
    supervisor: "Supervisor", asked: _Asked, environment: Mapping[str, str], client: "SyncPrefectClient"
) -> "Worker":
    import os
    import socket

    from deployments.up import services

    worker = services.Worker(f"{socket.gethostname()}-{os.getpid()}", asked.limit)
    page = services.review_page(asked.review_host, asked.review_port, asked.review_url, environment)
    if services.answers(asked.review_url):
        raise UsageError(f"port {asked.review_port} is taken: choose another with --review-port")
    working = services.worker(worker, environment, client)
    supervisor.start(working)
    supervisor.start(page)
    if not supervisor.wait_for(page):
        raise ServiceDown("the review page", _log_file())
    if not supervisor.wait_for(working):
        warn(f"the server has not heard of the worker yet; it goes on trying, see {_log_file()}")
    return worker


def _automations(client: "SyncPrefectClient") -> int:
    from blocks.settings import load_settings
    from deployments.automations.apply import apply, definitions

    blocks = load_settings().notify_blocks
    try:
        apply(client, blocks)
    except UsageError as error:  # a block that is missing must not keep documents waiting
        warn(f"{error}. Until then alerts tell nobody; afterwards: winnow automations apply")
        apply(client, ())
    return len(definitions())


def _database() -> "Database":
    from blocks.database.address import connect
    from blocks.settings import load_settings

    return connect(load_settings())


def _address(database: "Database") -> str:
    return database.engine.url.render_as_string(hide_password=False)


def _tell_others(asked: _Asked, database: "Database") -> None:
    from blocks.database.engine import database_id
    from deployments.up.running import RunningUp, tell

    tell(RunningUp(asked.review_url, str(database.url), database_id(database), str(Path.cwd())))


def _say_where(
    url: str, asked: _Asked, database: "Database", deployed: str, worker: "Worker", *, is_own_server: bool
) -> None:
    from blocks.settings import load_settings

    prefect = f"PREFECT_API_URL={url} prefect" if is_own_server else "prefect"  # other terminals do not know it

    say("Winnow is up. Ctrl-C stops it.", style="green")
    say(f"  Prefect      {SecretUrl(url.removesuffix('/').removesuffix('/api'))}")
    say(f"  review page  {asked.review_url}")
    say(f"  database     {database.url}")
    say(f"  deployments  {deployed}")
    say(f"  worker       {worker.name}, {worker.limit} runs at once")
    say(f"  log          {_log_file()}")
    if not load_settings().notify_blocks:
        say("Alerts tell nobody yet: name notification blocks in WINNOW_NOTIFY_BLOCKS.")
    say(f"Start a run: {prefect} deployment run process-documents/scheduled, or the form in Prefect.")
    sys.stdout.flush()  # a pipe, such as that of systemd, holds lines back


def _tend(supervisor: "Supervisor", database: "Database") -> None:
    checked_at, was_sound, states = time.monotonic(), True, supervisor.states()
    while True:
        time.sleep(1)
        supervisor.tend()
        if (now := supervisor.states()) != states:
            for name in now:
                if now[name] != states[name]:
                    note(f"{name}: {now[name]}")
            states = now
        if time.monotonic() - checked_at > CHECK_DATABASE_EVERY_S:
            checked_at = time.monotonic()
            is_sound = _takes_write(database)
            if is_sound != was_sound:
                note("the database takes writes again" if is_sound else "the database takes no writes: winnow doctor")
            was_sound = is_sound


def _takes_write(database: "Database") -> bool:
    from blocks.database.engine import check_write

    try:
        check_write(database)
    except Exception:  # noqa: BLE001 - drivers raise their own; whatever it is, the database does not take a write
        return False
    return True


def _check_profile(profile: Profile) -> None:
    from blocks.settings import load_settings, prefect_database_url

    if profile is Profile.EMBEDDED:
        return
    ours, prefects = load_settings().database_url, prefect_database_url()
    if ours is None or not ours.get_secret_value().startswith("postgresql"):
        raise NoPostgres("WINNOW_DATABASE_URL", "postgresql+psycopg")
    if prefects is None or not prefects.get_secret_value().startswith("postgresql"):
        raise NoPostgres("PREFECT_SERVER_DATABASE_CONNECTION_URL", "postgresql+asyncpg")


def _server_environment(port: int) -> dict[str, str]:
    from blocks.settings import prefect_database_url
    from deployments.prefect_api import local_server as prefect_server

    prefects = prefect_database_url()
    extra = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": prefects.get_secret_value()} if prefects else {}
    return prefect_server.environment(port, extra)


def _port(wanted: int | None) -> int:
    from deployments.prefect_api import local_server as prefect_server

    prefect_server.stop()
    return prefect_server.free_port(wanted)


def _log_file() -> Path:
    from deployments.prefect_api import local_server as prefect_server

    return prefect_server.up_log_file()


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ignore_signals() -> None:
    """A second Ctrl-C must not leave processes behind."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
