"""`winnow report`: what happened lately, in sentences, figures and pictures."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import UsageError
from deployments.cli.options import DatabaseOption, open_existing
from deployments.cli.output import note, say, without_controls, write_file
from deployments.cli.words import aligned, counted

if TYPE_CHECKING:
    from blocks.database.engine import Database
    from blocks.database.story.period import Period
    from tasks.period.period import PeriodReport

_UNITS = {"h": 1, "d": 24, "w": 168}
SHOWN_LETTERS = 8
_VERSION = re.compile(r"[0-9a-f]{4,64}")


def report(
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="runs that began since: 7d, 12h, 4w or a day as 2026-11-01")
    ] = "7d",
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare", metavar="A B", help="two periods as 2026-11-01..2026-11-07, or two versions of a type"
        ),
    ] = None,
    page: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="also write a page with pictures")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, and nothing else")] = False,
    database: DatabaseOption = None,
) -> None:
    """Say what happened lately, per document type and per model.

    \b
    winnow report                            the last seven days
    winnow report --since 4w --html w.html   four weeks, also as a page
    winnow report --compare 2bd6 77aa        two versions of a type
    winnow report --compare 2026-11-01..2026-11-07 2026-11-08..2026-11-14
    """
    from blocks.database.engine import now
    from blocks.database.learning.learned import newest_promises
    from blocks.database.review.stats import review_stats
    from tasks.period.period import report_of

    opened, until = open_existing(database), now()
    if compare is not None:
        if page is not None:
            raise UsageError("--html shows one period; give --since instead of --compare")
        pair = [(name, report_of(_chosen(opened, name, until))) for name in compare]
        _show_pair(pair, as_json)
        return
    began = _time(since, until)
    if began > until:
        raise UsageError(f"--since {since} is in the future; give 7d, 12h, 4w, or a day as 2026-11-01")
    period = _load(opened, began, until)
    stats = review_stats(opened, days=max((until - period.since).days, 1))
    found = report_of(period, stats, newest_promises(opened))
    if page is not None:
        from deployments.cli.report_page import period_page

        write_file(page, period_page(period, found))
        note(f"{page} has the report with its pictures")
    if as_json:
        print(json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=2))
        return
    for line in _lines(found):
        say(without_controls(line))


def _lines(found: "PeriodReport") -> list[str]:
    from deployments.cli.story_run import indented
    from tasks.period.period import FIGURES, MODEL_FIGURES

    lines = [f"{counted(found.runs, 'run')} from {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC", ""]
    if not found.runs:
        return [lines[0], "winnow runs lists all runs; --since 4w looks further back"]
    lines += [line for sentence in found.sentences for line in indented(sentence, 0)]
    if found.uncounted:
        lines.append(f"{found.uncounted} more runs did not end by themselves and are not counted.")
    rows = [(each.document_type, *(figure(each) for _, figure in FIGURES)) for each in found.types]
    if rows:
        lines += ["", *aligned(("type", *(name for name, _ in FIGURES)), rows, left={"type"})]
    asked = [(each.model, *(figure(each) for _, figure in MODEL_FIGURES)) for each in found.models]
    if asked:
        lines += ["", *aligned(("model", *(name for name, _ in MODEL_FIGURES)), asked, left={"model"})]
    return lines


def _show_pair(pair: "list[tuple[str, PeriodReport]]", as_json: bool) -> None:
    from tasks.period.period import FIGURES

    if as_json:
        shown = [found.model_dump(mode="json") | {"chosen": name} for name, found in pair]
        print(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    known = [{each.document_type: each for each in found.types} for _, found in pair]
    rows = []
    for name in sorted({*known[0], *known[1]}):
        for label, figure in FIGURES:
            rows.append((name, label, *(figure(of[name]) if name in of else "–" for of in known)))
    if not rows:
        say("no run read documents in either period")
        return
    for line in aligned(("type", "figure", *(name for name, _ in pair)), rows, left={"type", "figure"}):
        say(without_controls(line))


def _chosen(database: "Database", name: str, until: datetime) -> "Period":
    """The period, or all that was read under the version of a type. Raises `UsageError`."""
    first, dots, last = name.partition("..")
    if dots:
        began, ended = _time(first, until), _time(last, until)
        if ended < began or ended.year > until.year + 1:
            raise UsageError(f"{name!r} is no period: it ends before it begins, or years from now")
        return _load(database, began, ended + timedelta(days=1))
    if not _VERSION.fullmatch(name):
        raise UsageError(f"{name!r} is no period such as 2026-11-01..2026-11-07 and no version such as 2bd66971")
    period = _load(database, datetime(1970, 1, 1, tzinfo=UTC), until, name)
    if not period.types:
        raise UsageError(
            f"no run read documents under a type version that begins with {name!r}; winnow show RUN has them"
        )
    versions = sorted({f"{each.document_type} {each.version[:SHOWN_LETTERS]}" for each in period.types})
    if len({each.version for each in period.types}) > 1:
        raise UsageError(f"{name!r} begins more than one version: {', '.join(versions)}; give more letters")
    return period


def _load(database: "Database", since: datetime, until: datetime, version: str | None = None) -> "Period":
    from blocks.database.story.period import load_period

    return load_period(database, since, until, version)


def _time(text: str, until: datetime) -> datetime:
    """The time that is meant. Raises `UsageError`."""
    if relative := re.fullmatch(r"(\d{1,4})([hdw])", text):
        return until - timedelta(hours=int(relative[1]) * _UNITS[relative[2]])
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"{text!r} is no time; give 7d, 12h, 4w, or a day as 2026-11-01") from None
