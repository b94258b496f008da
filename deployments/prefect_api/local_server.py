"""A local Prefect server per user, in a process of its own that outlives the runs.

A run starts it if no Prefect API is configured. It listens on loopback and stays for the next runs. An in-process
server would take seconds to start at every run, and print stack traces at its end.
"""

import contextlib
import errno
import fcntl
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from platformdirs import user_state_path

from blocks.errors import RunError
from blocks.secret_url import SecretUrl
from blocks.settings import child_environment

_SERVICE_ERROR = re.compile(r"^.*\| (?:ERROR|CRITICAL) +\| ((?:docket|prefect\.server\.(?:services|events))\b.*)", re.M)
"""A locked SQLite on a busy machine is an ERROR of the API, not of a service."""
USUAL_PORT = 4200
START_WITHIN_S = 90.0
STOP_WITHIN_S = 10.0

# What the environment does not set. The recorder of task runs bounds the server's throughput; its batches have a single
# event by default.
SERVER_PROFILE = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "120",  # 15 by default, as long as a worker waits between polls
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "30",  # 5 by default: a busy PostgreSQL took longer
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_COLORS": "false",
}
OF_OTHER_SERVERS = (
    *("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_PROFILE"),
    *("PREFECT_API_DATABASE_", "PREFECT_SERVER_DATABASE_", "PREFECT_SERVER_DOCKET_", "PREFECT_MESSAGING_"),
    *("PREFECT_SERVER_API_HOST", "PREFECT_SERVER_API_PORT", "PREFECT_SERVER_API_BASE_PATH"),
    *("PREFECT_UI_API_URL", "PREFECT_UI_SERVE_BASE", "PREFECT_SERVER_UI_SERVE_BASE"),
)
"""Beginnings of the variables that lead to another server, to its database, its queues or its pages."""


class LocalServerFailed(RunError):
    """Winnow's local Prefect server did not start."""

    kind = "local_server_failed"

    def __init__(self, cause: str, log: Path) -> None:
        super().__init__(f"the local Prefect server did not start ({cause}); see {log}")


class HomeUnusable(RunError):
    """The folder of the local Prefect server cannot be made or written."""

    kind = "home_unusable"

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(
            f"the folder {folder} of Winnow's Prefect server cannot be written ({cause}): get the right to write it, "
            "or set XDG_STATE_HOME to a folder of yours"
        )


@dataclass(frozen=True)
class LocalServer:
    """A server that Winnow started. `began_at` is when its process began, in seconds since 1970; `log` is a file."""

    pid: int
    port: int
    began_at: float
    log: str = ""

    @property
    def url(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def ui_url(self) -> str:
        """The address of the Prefect UI."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_healthy(self) -> bool:
        """Whether the process lives and answers at its port."""
        return self.is_alive and _listens(self.pid, self.port) and answers(self.url)

    @property
    def is_alive(self) -> bool:
        """Whether the process lives. Another process may have got its pid, also one of another Prefect server."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.began_at and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def home() -> Path:
    """The folder of the local server's database, log and pid; the Prefect home of runs that use it."""
    return user_state_path("winnow") / "prefect"


def make_home() -> None:
    """Make that folder, and see that this process may write it and its parent. Raises `HomeUnusable`."""
    folder = home()
    try:
        for each in (folder.parent, folder):  # for their owner: database and log name documents
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise HomeUnusable(folder, error.strerror or str(error)) from error
    for each in (folder, folder.parent):
        if not os.access(each, os.W_OK | os.X_OK):
            raise HomeUnusable(each, os.strerror(errno.EACCES))


def has_been_used() -> bool:
    """Whether a local server has stored anything here, such as blocks."""
    return (home() / "prefect.db").exists()


def log_file() -> Path:
    """The log of the local server that was started last."""
    server = running()
    return Path(server.log) if server and server.log else home() / "server.log"


def up_log_file() -> Path:
    """The log of `winnow up`."""
    return home().parent / "up.log"


def running() -> LocalServer | None:
    """The local server that was started last; None if its process is gone."""
    try:
        server = LocalServer(**json.loads(_state_file().read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return server if server.is_alive else None


def is_up() -> bool:
    """Whether the local server answers: that one, and not another that has taken its port."""
    server = running()
    return server is not None and server.is_healthy


def is_taken(port: int) -> bool:
    """Whether a program of this machine listens at the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def service_errors() -> list[str]:
    """What the log has of services that fail, such as the scheduler: the server itself goes on without them."""
    try:
        log = log_file().read_text(errors="replace")
    except OSError:
        return []
    return _SERVICE_ERROR.findall(log)


def answers(url: str | SecretUrl, timeout_s: float = 3.0) -> bool:
    """Whether a Prefect API answers at the address."""
    address = url if isinstance(url, str) else url.get_secret_value()
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=timeout_s) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError, http.client.HTTPException):  # the last one: a reply that is no HTTP
        return False


def ensure() -> LocalServer:
    """The local server, which is started if it does not run; two callers at once get the same server.

    Where a supervisor runs it, only that one starts it. Raises `LocalServerFailed` if it does not start.
    """
    make_home()
    if supervised_one := _of_supervisor():
        return supervised_one
    with _lock():
        server = running()
        if server and server.is_healthy:
            return server
        if server:
            stop()
        return _start()


@contextlib.contextmanager
def supervised() -> Iterator[None]:
    """Within, this process runs the local server, and other processes start none: two would share a database."""
    make_home()
    with _supervisor_file().open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_supervised() -> bool:
    """Whether `winnow up` runs the local server, also while it starts it anew."""
    try:
        with _supervisor_file().open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def command(port: int) -> list[str]:
    """The command that starts a server at the port."""
    prefect = [sys.executable, "-m", "deployments.prefect_api.server_process"]
    return [*prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)]


def environment(port: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a server at the port, without what leads to other servers; `extra` goes before all."""
    own = child_environment(_addresses(port), without=OF_OTHER_SERVERS, usual=SERVER_PROFILE)
    return own | dict(extra or {})


def free_port(wanted: int | None) -> int:
    """The port of a new server: the wanted one, the usual one if it is free, or any. Raises `LocalServerFailed`."""
    return _free_port(*((USUAL_PORT, 0) if wanted is None else (wanted,)))


def adopted(port: int, log: Path) -> Callable[[int], None]:
    """What notes the process of a server that another part of Winnow starts, so that runs find it."""
    make_home()

    def note(pid: int) -> None:
        _note(pid, port, log)

    return note


def stop() -> bool:
    """Stop the local server; False if none ran."""
    server = running()
    if server is None:
        return False
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, how)
        deadline = time.monotonic() + STOP_WITHIN_S
        while server.is_alive and time.monotonic() < deadline:
            time.sleep(0.1)
    _state_file().unlink(missing_ok=True)
    return True


def _of_supervisor() -> LocalServer | None:
    """The server of `winnow up`, once it answers; None where none is up, or no longer. Raises `LocalServerFailed`."""
    deadline = time.monotonic() + START_WITHIN_S
    while is_supervised():
        if time.monotonic() > deadline:
            raise LocalServerFailed(f"winnow up runs it, and it gave no answer for {START_WITHIN_S:g} s", up_log_file())
        server = running()
        if server and server.is_healthy:
            return server
        time.sleep(0.2)
    return None


def _start() -> LocalServer:
    """Start a server. Another program may take the port before the server listens: a free port is tried then."""
    server = _start_at(_free_port(USUAL_PORT, 0)) or _start_at(_free_port(0))
    if server is None:
        raise LocalServerFailed("its port was taken twice", log_file())
    return server


def _start_at(port: int) -> LocalServer | None:
    """The server once it listens at the port; None if another program does."""
    file = home() / "server.log"
    with file.open("wb") as log:
        process = subprocess.Popen(
            command(port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(port),
            cwd=home(),
            start_new_session=True,
        )
    server = _note(process.pid, port, file)
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            if is_taken(port):
                return None
            raise LocalServerFailed(f"it ended with code {process.returncode}", log_file())
        if answers(server.url, timeout_s=1.0) and _listens(process.pid, port):
            return server
        time.sleep(0.2)
    stop()
    raise LocalServerFailed(f"no answer within {START_WITHIN_S:g} s", log_file())


def _note(pid: int, port: int, log: Path) -> LocalServer:
    """Write down which process is the local server, for the runs that look for it."""
    server = LocalServer(pid, port, psutil.Process(pid).create_time(), str(log))
    _state_file().write_text(json.dumps(asdict(server)))
    return server


def _addresses(port: int) -> dict[str, str]:
    """Where the server's files and pages are. Pages ask the API at their own port, not at 4200; alerts link to them."""
    url = f"http://127.0.0.1:{port}"
    return {"PREFECT_HOME": str(home()), "PREFECT_SERVER_UI_API_URL": f"{url}/api", "PREFECT_UI_URL": url}


def _listens(pid: int, port: int) -> bool:
    """Whether the process or a child of it listens at the port: another server may answer there."""
    try:
        process = psutil.Process(pid)
        connections = [
            found for each in (process, *process.children(recursive=True)) for found in each.net_connections()
        ]
    except psutil.Error:
        return False
    return any(found.status == psutil.CONN_LISTEN and found.laddr.port == port for found in connections)


def _free_port(*ports: int) -> int:
    """The first of the ports that is free; 0 is any free one."""
    for port in ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise LocalServerFailed("no port is free on 127.0.0.1", log_file())


def _supervisor_file() -> Path:
    return home() / "supervisor.lock"


def _state_file() -> Path:
    return home() / "server.json"


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    with (home() / "server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
