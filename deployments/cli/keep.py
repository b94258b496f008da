"""`winnow erase` and `winnow retain`: what the database forgets, of single documents and by age."""

import getpass
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import UsageError
from blocks.records import MOST_DAYS, Status
from deployments.cli.options import DatabaseOption, TypeOption, open_existing
from deployments.cli.output import OutputFormat, note, say, show_rows
from deployments.cli.progress_bars import count_progress

if TYPE_CHECKING:
    from blocks.database.engine import Database
    from blocks.database.keeping.run_names import Changes

COLUMNS = ("document_id", "document_type", "uri", "found_in")
SHOWN = 20
"""So many documents are listed before anything is erased; --json lists all."""
SHOWN_RUNS = 3
NOT_REACHED = (
    "Not reached: the files at these places, backups and exports of the database, pages and logs in Prefect, "
    "pictures of pages that a review page on another machine keeps, rows of dry runs and samples of backfills, and "
    "places in inboxes while the file is there."
)
YesOption = Annotated[bool, typer.Option("--yes", help="do it; without this, only show what would go")]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def erase(
    documents: Annotated[
        list[str] | None,
        typer.Option("--document", metavar="ID", help="this document; the first letters of its id are enough"),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option("--subject", metavar="VALUE", help="documents that hold this name, account or other value"),
    ] = None,
    document_type: TypeOption = None,
    status: Annotated[Status | None, typer.Option("--status", help="only documents of this status")] = None,
    seen_before: Annotated[
        datetime | None,
        typer.Option("--seen-before", formats=["%Y-%m-%d"], help="only documents first seen before this day, UTC"),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="who erases; by default the system's user")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Erase documents, and all that was read of them.

    Name documents, or a subject that they hold: text, results, file names, prompts, replies and decisions are searched,
    whatever the case and the punctuation; in runs that name it, a pseudonym takes its place. Or choose by type, status
    and age. Parts of a document, such as attachments, go with it, and so does an archive of which nothing else is left.
    Without --yes, the command shows what would go. Erased documents are not read again. Counts, costs and
    the audit trail stay; the trail still verifies.

    Example: winnow erase --subject "Maria Muster"
    """
    from blocks.database.keeping import run_names
    from blocks.database.keeping.erasure import held_rows, with_parts

    opened = open_existing(database)
    found = _found(opened, documents, subject, document_type, status, seen_before)
    wanted = with_parts(opened, found)
    rows = held_rows(opened, wanted)
    changes = run_names.naming_files(opened, wanted) if subject is None else run_names.naming_subject(opened, subject)
    if not as_json:
        _show(opened, wanted, found, rows, changes)
    erased = 0
    if yes:
        run_names.rename(opened, changes)
        erased = _erased(opened, wanted, by or getpass.getuser()) if wanted else 0
    if as_json:
        listed = {id_: sorted(found.get(id_, ())) for id_ in sorted(wanted)}
        content = {"documents": listed, "runs": sorted(changes), "rows": rows, "erased": erased}
        print(json.dumps(content, ensure_ascii=False))
    elif yes and (wanted or changes):
        say(f"erased: {erased:,}" + (f"; runs with a pseudonym now: {len(changes):,}" if changes else ""))
        note("winnow db vacuum takes the deleted rows out of the database's files, too")
    elif wanted or changes:
        note("nothing was erased; --yes erases all of this")


def retain(
    outputs_days: Annotated[
        float | None,
        typer.Option(
            "--outputs-days", min=0, max=MOST_DAYS, help="outputs and results that newer ones replaced, older than this"
        ),
    ] = None,
    members_days: Annotated[
        float | None,
        typer.Option("--members-days", min=0, max=MOST_DAYS, help="which documents a run worked on, since its end"),
    ] = None,
    calls_days: Annotated[
        float | None, typer.Option("--calls-days", min=0, max=MOST_DAYS, help="calls of models, with tokens and cost")
    ] = None,
    texts_days: Annotated[
        float | None,
        typer.Option("--texts-days", min=0, max=MOST_DAYS, help="prompts and replies, where they are kept"),
    ] = None,
    replies_days: Annotated[
        float | None,
        typer.Option(
            "--replies-days", min=0, max=MOST_DAYS, help="replies kept for equal requests, since the last use"
        ),
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Delete old rows that nobody needs any more.

    What is current, shown in a review item or decided by a person stays, and so does the audit trail. Without --yes,
    the command shows what would go. Runs may work meanwhile. To forget whole documents, use winnow erase.

    Example: winnow retain --outputs-days 30 --calls-days 400 --yes
    """
    from blocks.database.keeping import retention

    ages = (outputs_days, members_days, calls_days, texts_days, replies_days)
    if all(age is None for age in ages):
        raise UsageError("give at least one age, such as --outputs-days 30")
    wanted = retention.Retention(**dict(zip(retention.Retention.model_fields, ages, strict=True)))
    opened = open_existing(database)
    expired = retention.expired_rows(opened, wanted)
    if yes:
        with count_progress("deleting", sum(expired.values())) as advance:
            expired = retention.retain(opened, wanted, advance)
    if as_json:
        print(json.dumps({"rows": expired, "deleted": yes}))
        return
    say(f"rows: {_in_words(expired)}" if expired else "nothing is that old")
    if expired and not yes:
        note("nothing was deleted; --yes deletes these rows")


def _found(
    database: "Database",
    documents: list[str] | None,
    subject: str | None,
    document_type: str | None,
    status: Status | None,
    seen_before: datetime | None,
) -> Mapping[str, set[str]]:
    """The chosen documents, and where each holds the subject."""
    is_selection = any(choice is not None for choice in (document_type, status, seen_before))
    if sum((bool(documents), subject is not None, is_selection)) != 1:
        raise UsageError(
            "name documents (--document), or a subject (--subject), or choose by --type, --status and "
            "--seen-before; one of the three"
        )
    if documents:
        from blocks.database.pipeline.known_ids import find_document

        return {find_document(database, letters): set() for letters in documents}
    if subject is not None:
        from blocks.database.keeping.subjects import find_subject, row_count

        with count_progress("searching", row_count(database)) as advance:
            return find_subject(database, subject, advance)
    from datetime import UTC

    from blocks.backfill.selection import Selection
    from blocks.database.keeping.retention import selected_ids

    before = None if seen_before is None else seen_before.replace(tzinfo=UTC)
    selection = Selection(document_type=document_type, status=status, seen_before=before)
    return {id_: set() for id_ in selected_ids(database, selection)}


def _show(
    database: "Database",
    wanted: frozenset[str],
    found: Mapping[str, set[str]],
    rows: Mapping[str, int],
    changes: "Changes",
) -> None:
    from blocks.database.keeping.erasure import places_of

    first = sorted(wanted)[:SHOWN]
    listed = [
        {
            "document_id": place.document_id[:12],
            "document_type": place.document_type,
            "uri": place.uri,
            "found_in": sorted(found.get(place.document_id, ())) or "named"
            if place.document_id in found
            else "with them",
        }
        for place in places_of(database, first)
    ]
    if listed or not changes:
        show_rows(listed, COLUMNS, OutputFormat.TABLE, "no document is like that, or it was erased before")
    if len(wanted) > SHOWN:
        note(f"and {len(wanted) - SHOWN:,} more")
    if wanted:
        say(f"documents: {len(wanted):,}; rows: {_in_words(rows)}")
    if changes:
        named = ", ".join(sorted(changes)[:SHOWN_RUNS]) + (" …" if len(changes) > SHOWN_RUNS else "")
        say(f"runs that name it in what they were given, their name or their message: {len(changes):,} ({named})")
    if wanted or changes:
        note(NOT_REACHED)


def _erased(database: "Database", wanted: frozenset[str], by: str) -> int:
    from blocks.database.keeping.erasure import erase as erase_documents
    from deployments.review_app.page_cache import clear

    with count_progress("erasing", len(wanted)) as advance:
        erased = erase_documents(database, wanted, by, advance)
    clear()
    return erased


def _in_words(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} of {name}" for name, count in rows.items()) or "none"
