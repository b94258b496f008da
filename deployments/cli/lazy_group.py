"""The commands of `winnow`, each imported when it is called.

A command's module imports what the command needs: the database, the gateway, Prefect. The list of commands needs none
of these, so names and short helps are here. A test compares them with the commands' own.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMAND_OPTIONS: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}


class Command(NamedTuple):
    """Where a command or a group of commands is defined, as ``module:attribute``, and its help in the list."""

    place: str
    help: str


COMMANDS = {
    "run": Command("run:run", "Process documents: extract, classify, score, validate, store."),
    "backfill": Command("backfill:app", "Compute known documents again, by a plan."),
    "extract": Command("extract:extract", "Print what documents say, page by page."),
    "results": Command("results:results", "List results, one row per document."),
    "failures": Command("results:failures", "List documents that failed, with what to do about each."),
    "runs": Command("story:runs", "List the runs, the latest first."),
    "show": Command("story:show", "Tell all that happened in a run, or to a document or a file."),
    "report": Command("report:report", "Say what happened lately, per document type and per model."),
    "doctor": Command("doctor:doctor", "Check what runs need, and say what to do about what is missing."),
    "review": Command("review:app", "The documents that wait for a person."),
    "labels": Command("labels:app", "What people know to be right: import, list, export and forget it."),
    "evaluate": Command("evaluate:evaluate", "Say how good readings are, by the labels."),
    "trust": Command("trust:app", "What is promised of accepted rows, and what proves it."),
    "learn": Command("learn:app", "What was learnt from decisions: how it was measured, rollback."),
    "types": Command("types:app", "The document types, and what is wrong with them."),
    "models": Command("models:app", "The language models: prices, limits, switches, and the calls."),
    "up": Command("up:up", "Run all of Winnow on this machine, until Ctrl-C."),
    "metrics": Command("metrics:metrics", "Print or serve metrics of the database for Prometheus."),
    "automations": Command("automations:app", "Prefect's automations: alerts, and crashed runs taken up."),
    "server": Command("server:app", "The local Prefect server, for runs without a Prefect API."),
    "erase": Command("keep:erase", "Erase documents, and all that was read of them."),
    "retain": Command("keep:retain", "Delete old rows that nobody needs any more."),
    "db": Command("db:app", "The database's tables and views, its size and backup."),
}


def new_group(help_text: str) -> typer.Typer:
    """A group of commands, such as `winnow models`, to which a module adds its commands."""
    return typer.Typer(help=help_text, no_args_is_help=True, **COMMAND_OPTIONS)


class LazyGroup(TyperGroup):
    """The group of `COMMANDS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, in the order in which help lists them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return a command; None if there is no command of that name."""
        return load(cmd_name) if cmd_name in COMMANDS else None

    def invoke(self, ctx: Any) -> Any:
        """Run the command. The message of a wrong value loses the prefix that pydantic puts before it."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])


def load(name: str) -> Any:
    """The command of that name, imported."""
    module, _, attribute = COMMANDS[name].place.partition(":")
    found: typer.Typer | Callable[..., None] = getattr(import_module(f"deployments.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        group = typer.Typer(**COMMAND_OPTIONS)
        group.command(name)(found)
        found = group
    command = get_command(found)
    command.name = name
    return command
