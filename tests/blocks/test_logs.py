"""JSON lines: the ids of what the code works on, and nothing of an exception's message."""

import asyncio
import io
import json
import logging
import traceback
from collections.abc import Iterator

import pytest

from blocks.logs import ROOMS, JsonLines, configure_logs, log_event, log_ids
from blocks.settings import Settings

log = logging.getLogger("blocks.some.part")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the room `blocks` logs; the loggers are as before after the test."""
    loggers = [logging.getLogger(room) for room in ROOMS]
    before = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    assert configure_logs(Settings(log_format="json"))
    assert configure_logs(Settings(log_format="json")), "asked again, nothing changes"
    (handler,) = (h for h in logging.getLogger("blocks").handlers if isinstance(h.formatter, JsonLines))
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(io.StringIO())
    yield handler.stream
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_the_ids_of_what_is_worked_on(stream: io.StringIO) -> None:
    async def call(key: str) -> None:
        with log_ids(call=key):
            await asyncio.sleep(0)
            log_event(log, "call ended", cost_usd=0.5)

    async def calls() -> None:
        await asyncio.gather(call("a"), call("b"))

    with log_ids(run="r", chunk=3):
        asyncio.run(calls())
        log.info("two\nlines %d", 1)
    log.warning("outside")
    first, second, third, last = lines(stream)
    assert (first["run"], first["chunk"], first["call"], first["cost_usd"]) == ("r", 3, "a", 0.5)
    assert second["call"] == "b"
    assert ("call" in third, third["message"]) == (False, "two\nlines 1")
    assert ("run" in last, last["level"], last["logger"]) == (False, "warning", "blocks.some.part")


def test_an_error_is_logged_by_its_type_and_stack_and_not_by_what_it_quotes(stream: io.StringIO) -> None:
    try:
        raise ValueError("Dear Ms Canary")
    except ValueError:
        log.exception("a stage failed")
        log.error("it failed:\n%s", traceback.format_exc())
    line, text = lines(stream)
    assert text["message"] == "it failed:"
    assert line["error"] == "ValueError"
    assert "test_logs.py" in str(line["stack"])
    assert "Canary" not in stream.getvalue()


def test_text_is_the_default_and_changes_nothing() -> None:
    handlers = {room: list(logging.getLogger(room).handlers) for room in ROOMS}
    assert not configure_logs(Settings())
    assert {room: logging.getLogger(room).handlers for room in ROOMS} == handlers
