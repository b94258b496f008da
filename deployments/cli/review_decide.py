"""`winnow review accept`, `correct` and the other decisions."""

import json
from typing import Annotated, Any

import typer

from blocks.errors import UsageError
from blocks.review.records import Action, Correction, Decision, Door
from blocks.review.wording import in_words
from deployments.cli.options import DatabaseOption, open_to_change
from deployments.cli.output import say
from deployments.cli.review_options import ByOption, IdArgument, JsonOption, Reviewing, person_of, reviewing

VersionOption = Annotated[
    int | None,
    typer.Option(
        "--version",
        metavar="N",
        min=1,
        help="the version that you saw; the decision is refused if a run replaced it. By default the present one",
    ),
]
NoteOption = Annotated[str, typer.Option("--note", help="a note for the audit trail")]


def accept(
    review_id: IdArgument,
    version: VersionOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Accept every value as it is shown."""
    _decide(reviewing(open_to_change(database), by), review_id, version, as_json, action=Action.ACCEPT, note=note)


def correct(
    review_id: IdArgument,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="FIELD=VALUE...",
            help="the right value in any usual form; FIELD= empties the field; a table is JSON: 'lines=[{…}]'",
        ),
    ],
    version: VersionOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Correct fields and accept the other values as they are shown."""
    from blocks.database.review.item_content import read_item
    from blocks.review.typed_text import correction_of

    door = reviewing(open_to_change(database), by)
    document_type = door.types.get(read_item(door.database, review_id).document_type)
    corrections: dict[str, Correction] = {}
    for value in values:
        field, is_given, text = value.partition("=")
        if not is_given:
            raise UsageError(f"{value!r} is no correction; write field=value")
        if field.strip() in corrections:
            raise UsageError(f"{field.strip()!r} is given twice; give it once")
        corrections[field.strip()] = correction_of(document_type, field.strip(), text)
    _decide(door, review_id, version, as_json, action=Action.CORRECT, corrections=corrections, note=note)


def reject(
    review_id: IdArgument,
    reason: Annotated[str, typer.Option("--reason", help="why: a reason of the document type, or free text")],
    version: VersionOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Reject the document."""
    door = reviewing(open_to_change(database), by)
    _decide(door, review_id, version, as_json, action=Action.REJECT, reason=reason, note=note)


def reclassify(
    review_id: IdArgument,
    document_type: Annotated[str, typer.Option("--type", metavar="NAME", help="the right document type")],
    version: VersionOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Give the document another type: the next run reads it again."""
    door = reviewing(open_to_change(database), by)
    _decide(door, review_id, version, as_json, action=Action.RECLASSIFY, document_type=document_type, note=note)


def unreadable(
    review_id: IdArgument,
    version: VersionOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Reject the document because nobody can read it."""
    _decide(reviewing(open_to_change(database), by), review_id, version, as_json, action=Action.UNREADABLE, note=note)


def escalate(
    review_id: IdArgument,
    version: VersionOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Leave the item to a senior."""
    _decide(reviewing(open_to_change(database), by), review_id, version, as_json, action=Action.ESCALATE, note=note)


def return_(
    review_id: IdArgument,
    version: VersionOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Put the item back into the queue, for every reviewer."""
    _decide(reviewing(open_to_change(database), by), review_id, version, as_json, action=Action.RETURN, note=note)


def undo(
    review_id: IdArgument, by: ByOption = None, as_json: JsonOption = False, database: DatabaseOption = None
) -> None:
    """Take your own decision back, within ten seconds."""
    from blocks.database.review.decide import undo as take_back

    opened = open_to_change(database)
    person = person_of(opened, by)
    undone = take_back(opened, review_id, person)
    if as_json:
        say(json.dumps(undone.model_dump(mode="json")))
    else:
        say(f"review item {review_id} waits again; {person.name}'s decision is taken back")


def _decide(door: Reviewing, review_id: int, version: int | None, as_json: bool, **content: Any) -> None:
    from blocks.database.review.decide import decide
    from blocks.database.review.item_content import read_item

    seen = version if version is not None else read_item(door.database, review_id).version
    decision = Decision(review_id=review_id, version=seen, by=door.person.name, door=Door.COMMAND, **content)
    decided = decide(door.database, decision, door.person, door.types)
    if as_json:
        say(json.dumps(decided.model_dump(mode="json") | {"version": seen, "action": str(decision.action)}))
        return
    done = in_words(decided.event, decided.corrected, is_repeated=decided.is_repeated)
    say(f"review item {review_id} ({decision.action} by {decision.by}) {done}")


def apply(as_json: JsonOption = False, database: DatabaseOption = None) -> None:
    """Apply the decisions that people inserted into review_decisions by SQL, now."""
    from blocks.database.review.inbox import apply_decisions
    from blocks.document_types.loader import load_document_types
    from blocks.settings import load_settings

    opened = open_to_change(database)
    answered = apply_decisions(opened, load_document_types(load_settings().document_types_dir))
    if as_json:
        say(json.dumps(answered.model_dump()))
    else:
        say(f"decisions: {answered.applied} applied, {answered.refused} refused")
