"""What the commands of `winnow review` share: who decides, and with which document types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import UsageError
from blocks.review.records import Person

if TYPE_CHECKING:
    from blocks.database.engine import Database
    from blocks.document_types.schema import DocumentType

IdArgument = Annotated[int, typer.Argument(metavar="ID", help="the item's number; winnow review list shows it")]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="who decides; by default the name of the system's user")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object")]


@dataclass(frozen=True, slots=True)
class Reviewing:
    """An open database, the person at the command, and the document types."""

    database: "Database"
    person: Person
    types: Mapping[str, "DocumentType"]


def reviewing(database: "Database", by: str | None) -> Reviewing:
    """What a deciding command needs. Raises `UsageError` where the system's user has no name and --by is missing."""
    from blocks.document_types.loader import load_document_types
    from blocks.settings import load_settings

    types = load_document_types(load_settings().document_types_dir)
    return Reviewing(database, person_of(database, by), types)


def person_of(database: "Database", by: str | None) -> Person:
    """Who --by names, with the role of the user of that name. Raises as `reviewing`."""
    from blocks.database.review.users import find_person

    name = (by if by is not None else _user_name()).strip()
    if not name:
        raise UsageError("who decides? give --by NAME")
    return find_person(database, name)


def _user_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return ""
