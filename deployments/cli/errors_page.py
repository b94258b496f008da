"""Writes docs/errors.md from the exceptions: ``python -m deployments.cli.errors_page > docs/errors.md``.

It reads an error's message from the source of its constructor, so the page shows every message with the names of its
data, and cannot differ from the program.
"""

import ast
import inspect
import sys
import textwrap

from blocks import errors
from blocks.backfill import errors as backfill_errors
from blocks.database import errors as database_errors
from blocks.database.keeping import errors as keeping_errors
from blocks.database.story import errors as story_errors
from blocks.errors import DocumentError, RunError, UsageError, WinnowError
from blocks.gateway import errors as gateway_errors
from blocks.gateway.errors import CallFailed
from blocks.gateway.registry import errors as configuration_errors
from blocks.learning import errors as learning_errors
from blocks.records import Retry
from blocks.review import errors as review_errors
from deployments.prefect_api import local_server
from tasks.arrive import errors as inbox_errors
from tasks.runs import errors as run_errors

MODULES = tuple(
    module.__name__
    for module in (
        errors,
        backfill_errors,
        database_errors,
        keeping_errors,
        story_errors,
        gateway_errors,
        configuration_errors,
        review_errors,
        learning_errors,
        run_errors,
        inbox_errors,
        local_server,
    )
)
SECTIONS: tuple[tuple[type[WinnowError], str, str], ...] = (
    (
        CallFailed,
        "Failures of a call of a model",
        (
            "Each is the outcome of an attempt in the ledger (`winnow models calls`). The route goes on to its next "
            "step.\nIf no step succeeds, the document goes to review with that reason, until a run succeeds."
        ),
    ),
    (
        DocumentError,
        "Failures of one document",
        "Each costs its document and nothing else. They are listed by `winnow failures`, by stage and kind.",
    ),
    (UsageError, "Wrong usage", "The command or the configuration asks for something impossible. Exit code 2."),
    (RunError, "Failures of a run", "The run as a whole cannot go on. Exit code 1."),
    (WinnowError, "Inside a run", "Raised between the parts of a run. A user sees only their effect."),
)
RETRY = {
    Retry.NOW: "now: the chunk is tried again with a delay",
    Retry.NEXT_RUN: "the next run tries again",
    Retry.NEVER: "only with `--rerun failed`",
}
AT_ONCE = "at once, at most twice; then in the next run"
SHOWING = {"type", "str", "len", "quoted"}
"""Functions around the data of a message."""
RETRY_OF_A_COMMAND = "when you give the command again"
INTRODUCTION = """\
# Errors

Every error that Winnow raises on purpose, by its `kind`, which is stable. A message says what happened and, after the
semicolon, what to do. Names in braces stand for data.

This page is generated from `blocks/errors.py` and the errors of backfills, the database, the gateway, review, runs,
inboxes and the local server by `python -m deployments.cli.errors_page > docs/errors.md`.
"""


def errors_page() -> str:
    """The page, in Markdown: a table per group of errors, a row per error with a kind of its own."""
    left = [error for error in _subclasses(WinnowError) if "kind" in vars(error)]
    parts = [INTRODUCTION]
    for group, title, introduction in SECTIONS:
        rows = sorted((error for error in left if issubclass(error, group)), key=lambda error: error.kind)
        left = [error for error in left if error not in rows]
        if rows:
            header = "| kind | what it means | what it says | another attempt |\n|---|---|---|---|"
            table = "\n".join([header, *(_row(error, group) for error in rows)])
            parts.append(f"## {title}\n\n{introduction}\n\n{table}\n")
    return "\n".join(parts)


def message_template(error: type[WinnowError]) -> str | None:
    """The message of an error with the names of its data in braces; None if the raiser writes it."""
    if "__init__" not in vars(error):
        return None
    tree = ast.parse(textwrap.dedent(inspect.getsource(error)))
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "__init__"
        if is_call and isinstance(node, ast.Call) and node.args:
            return _template(node.args[0])
    return None


def _subclasses(error: type[WinnowError]) -> list[type[WinnowError]]:
    """The error and all its subclasses that `MODULES` define."""
    found = [error] if error is not WinnowError else []
    for one in error.__subclasses__():
        if one.__module__ in MODULES:
            found.extend(_subclasses(one))
    return found


def _row(error: type[WinnowError], group: type[WinnowError]) -> str:
    retry = RETRY[error.retry] if group in (CallFailed, DocumentError, WinnowError) else RETRY_OF_A_COMMAND
    if issubclass(error, CallFailed) and error.is_transient:
        retry = AT_ONCE
    if group is WinnowError and error.retry is Retry.NEVER:
        retry = "none"
    cells = (
        f"`{error.kind}`",
        (inspect.getdoc(error) or "").partition("\n\n")[0],
        message_template(error) or "a message for the case",
        retry,
    )
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def _template(node: ast.expr) -> str:
    """A string expression as a reader would write it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_template(value) for value in values)
        case ast.FormattedValue(value=value):
            return f"{{{_name(value)}}}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _template(left) + _template(right)
        case ast.IfExp(body=body, orelse=orelse):
            return f"{_template(body)} (or: {_template(orelse)})"
        case _:
            return f"{{{_name(node)}}}"


def _name(node: ast.expr) -> str:
    """The first name that an expression reads."""
    names = (part.id for part in ast.walk(node) if isinstance(part, ast.Name) and part.id not in SHOWING)
    return next(names, "…")


if __name__ == "__main__":
    sys.stdout.write(errors_page())
