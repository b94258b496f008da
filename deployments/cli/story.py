"""`winnow runs` and `winnow show`: what happened, in a list and on one screen."""

import json
from typing import Annotated

import typer

from deployments.cli.options import MOST, DatabaseOption, open_existing
from deployments.cli.output import note, say, without_controls

JsonOption = Annotated[bool, typer.Option("--json", help="print JSON, and nothing else")]


def runs(
    limit: Annotated[int, typer.Option("--limit", min=1, max=MOST, metavar="N", help="at most so many runs")] = 20,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="RUN", help="only runs older than this one, the last one of an earlier list"),
    ] = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """List the runs, the latest first.

    \b
    winnow runs                     the latest 20
    winnow runs --after 4b51902f    those before that run
    winnow runs --json              an object per run, with its whole id
    """
    from blocks.database.pipeline.known_ids import find_run
    from blocks.database.story.runs import list_runs
    from deployments.cli.story_run import list_lines

    opened = open_existing(database)
    listed = list_runs(opened, limit=limit + 1, after=None if after is None else find_run(opened, after))
    shown, has_more = listed[:limit], len(listed) > limit
    if as_json:
        print(json.dumps([run.model_dump(mode="json") for run in shown], ensure_ascii=False, indent=2))
        return
    if not shown:
        note("no older runs" if after else "no runs yet; winnow run SOURCE starts one")
        return
    for line in list_lines(shown):
        say(without_controls(line))
    say()
    say(f"winnow show {shown[0].run_id[:8]} tells all about the first.")
    if has_more:
        say(f"winnow runs --after {shown[-1].run_id[:8]} lists older ones.")


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN|DOCUMENT|FILE",
            help="a run or a document by the first letters of its id, or a file by its path or the end of its place",
        ),
    ],
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Tell all that happened in a run, or to a document or a file.

    \b
    winnow show 4b51902f            a run: documents, steps, costs, failures
    winnow show in/invoice_17.pdf   a file: stages, calls, values, decisions
    winnow show invoice_17.pdf      the same, where only one place ends so
    winnow show 6fb7ad3b --json     a document by its id, as JSON
    """
    from blocks.database.story.document import load_document
    from blocks.database.story.find import find
    from blocks.database.story.runs import load_run
    from deployments.cli.story_document import document_lines
    from deployments.cli.story_run import run_lines

    opened = open_existing(database)
    found = find(opened, name)
    if found.run_id is not None:
        run = load_run(opened, found.run_id)
        content, lines = run.model_dump(mode="json"), run_lines(run)
    else:
        document = load_document(opened, str(found.document_id))
        content, lines = document.model_dump(mode="json"), document_lines(document)
    if found.note:
        note(without_controls(found.note))
    if as_json:
        print(json.dumps(content, ensure_ascii=False, indent=2))
        return
    for line in lines:
        say(without_controls(line))
