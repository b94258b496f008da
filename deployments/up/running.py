"""The `winnow up` that runs on this machine, for other commands: where its page, its database and its folder are."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from blocks.errors import UsageError
from deployments.prefect_api import local_server as prefect_server


class UpRunsAlready(UsageError):
    """Another `winnow up` of this user has not ended."""

    def __init__(self) -> None:
        super().__init__("winnow up runs already for this user; stop that one first")


@dataclass(frozen=True)
class RunningUp:
    """A `winnow up` that is up. `database` is an address without a password, `database_id` the database's identity."""

    review_url: str
    database: str
    database_id: str
    folder: str


@contextmanager
def only_one() -> Iterator[None]:
    """Be this user's only `winnow up`. Raises `UpRunsAlready` and `HomeUnusable`."""
    prefect_server.make_home()
    with _lock_file().open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UpRunsAlready from None
        _state_file().unlink(missing_ok=True)  # of one that was killed
        yield


def tell(up: RunningUp) -> None:
    """Let other commands know what the only `winnow up` runs."""
    _state_file().write_text(json.dumps(asdict(up)))


def running() -> RunningUp | None:
    """The `winnow up` of this user that is up; None where there is none, or it is starting."""
    try:
        with _lock_file().open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    except OSError:
        return None
    else:
        return None
    try:
        return RunningUp(**json.loads(_state_file().read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _lock_file() -> Path:
    return prefect_server.up_log_file().with_suffix(".lock")


def _state_file() -> Path:
    return prefect_server.up_log_file().with_suffix(".json")
