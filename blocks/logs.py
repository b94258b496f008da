"""Logs for machines: a JSON object per line, with the run, chunk, document and call that it is about.

`log_ids` says what the code inside it works on. An exception is named by its type and its stack, never by its message,
which may quote a document.
"""

import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from blocks.settings import Settings

ROOMS = ("flows", "tasks", "blocks", "deployments")
HANDLER = "winnow-json-lines"
"""The name of the handlers that write JSON lines. `deployments/cli/output.py` knows them by it, without an import."""
_NO_IDS: Mapping[str, str | int] = {}
_ids: ContextVar[Mapping[str, str | int]] = ContextVar("winnow_log_ids", default=_NO_IDS)


@contextmanager
def log_ids(**ids: str | int) -> Iterator[None]:
    """Add ids (run, stage, chunk, document, call) to the lines that this thread or asyncio task logs inside."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def log_event(log: logging.Logger, message: str, **values: str | float | None) -> None:
    """Log that something happened, with values of its own: names, counts, times. Never a text of a document."""
    if log.isEnabledFor(logging.INFO):
        log.info(message, extra={"winnow_values": values})


class JsonLines(logging.Formatter):
    """A record as one line of JSON: at, level, logger, message, the ids, an event's values, the error and its stack."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().partition("\nTraceback (")[0],  # a stack as text has its error's message
            **_ids.get(),
            **getattr(record, "winnow_values", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            line["stack"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, default=str)


def configure_logs(settings: Settings) -> bool:
    """Write what Winnow logs as JSON lines to standard error, if the settings say so; returns whether they do.

    Asked again, nothing changes. Records still reach the log of their run in Prefect.
    """
    if settings.log_format != "json":
        return False
    for room in ROOMS:
        logger = logging.getLogger(room)
        if not any(handler.name == HANDLER for handler in logger.handlers):
            handler = logging.StreamHandler()
            handler.name = HANDLER
            handler.setFormatter(JsonLines())
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False  # the root's handlers would print the line once more, as text
    return True
