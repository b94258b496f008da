"""`winnow review user`: who may log in to the review page."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import UsageError
from blocks.review.records import Role
from deployments.cli.lazy_group import new_group
from deployments.cli.options import DatabaseOption, FormatOption, open_existing, open_or_create, open_to_change
from deployments.cli.output import OutputFormat, say, show_rows

if TYPE_CHECKING:
    from blocks.database.review.users import User

COLUMNS = ("name", "role", "is_active", "has_password", "locked_until", "created_at")

app = new_group("Who may log in to the review page.")

Name = Annotated[str, typer.Argument(metavar="NAME")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="read the password from the first line of standard input")
]


@app.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option("--role", help="what the person may do")] = Role.REVIEWER,
    password_stdin: FromStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="for a person whom a trusted proxy logs in")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Add a person."""
    from blocks.database.review.users import add_user
    from deployments.review_app.passwords import hashed

    password_hash = None if no_password else hashed(_password(password_stdin))
    name = name.strip()
    add_user(open_or_create(database), name, role, password_hash)
    say(f"{name} may log in with the role {role}")


@app.command("list")
def list_all(output_format: FormatOption = OutputFormat.TABLE, database: DatabaseOption = None) -> None:
    """List the people and their roles."""
    from blocks.database.review.users import list_users

    users = [_row(user) for user in list_users(open_existing(database))]
    show_rows(users, COLUMNS, output_format, "no users; winnow review user add NAME adds the first one")


@app.command("disable")
def disable(
    name: Name,
    enable: Annotated[bool, typer.Option("--enable", help="let the person log in again")] = False,
    database: DatabaseOption = None,
) -> None:
    """Keep a person from logging in, and end their sessions."""
    from blocks.database.review.users import set_active

    set_active(open_to_change(database), name, is_active=enable)
    say(f"{name} may {'log in again' if enable else 'not log in any more'}")


@app.command("role")
def role(
    name: Name,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="what the person may do")],
    database: DatabaseOption = None,
) -> None:
    """Give a person another role, and end their sessions."""
    from blocks.database.review.users import set_role

    set_role(open_to_change(database), name, role)
    say(f"{name} has the role {role}")


@app.command("password")
def password(name: Name, password_stdin: FromStdin = False, database: DatabaseOption = None) -> None:
    """Give a person a new password, end their sessions, and lift a lock."""
    from blocks.database.review.users import set_password
    from deployments.review_app.passwords import hashed

    set_password(open_to_change(database), name, hashed(_password(password_stdin)))
    say(f"{name} has a new password")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the password; give --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _row(user: "User") -> dict[str, object]:
    shown = user.model_dump(mode="json", include={"name", "role", "is_active", "locked_until", "created_at"})
    return shown | {"has_password": user.password_hash is not None}
