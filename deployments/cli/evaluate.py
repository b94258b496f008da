"""`winnow evaluate`: how good readings are, by the labels."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.backfill_options import NoCacheOption
from deployments.cli.evaluate_against import LABELS, Truth, truth_of
from deployments.cli.evaluate_pairs import left_out_lines, side_by_side_lines
from deployments.cli.evaluate_settings import checked_budget, settings_of
from deployments.cli.evaluate_words import NOTHING, drawn, in_words, percent, point_at
from deployments.cli.labels import NONE_YET
from deployments.cli.options import DatabaseOption, TypeOption, open_existing
from deployments.cli.output import note, say, write_file
from deployments.cli.review_options import JsonOption
from deployments.cli.words import aligned, counted, money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks.learning.evaluation import Evaluation, FieldEvaluation, Reliability
    from blocks.learning.measures import CurvePoint
    from tasks.compare.compare import Setting
    from tasks.evaluate.evaluate import Evaluated, Types

HEAD = ("field", "labels", "right", "95 %", "wrong", "missed", "invented", "calibration", "ranking")
REVIEW_RATES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)


def evaluate(
    document_type: TypeOption = None,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            metavar="labels|PATH",
            help="what is right: the database's labels, or a csv or jsonl file as winnow labels import reads it, or a "
            "folder with such files, whose documents are read beside what is stored",
        ),
    ] = LABELS,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare",
            metavar="SETTING",
            help="read the labelled documents by another setting too, and compare: a folder of document types, "
            "models:NAME, today (types and models of today), learnt (by all that was learnt), unlearnt (by nothing)",
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--models", metavar="NAME[,NAME...]", help="read by each of these models too, and compare"),
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, metavar="N", help="only N labelled documents, drawn by a hash")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="USD", help="what models may cost in all; 0: stored replies only"),
    ] = None,
    no_cache: NoCacheOption = False,
    page: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="also write a page with pictures")] = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Say how good readings are, by the labels.

    What the machine read last of each labelled document is compared with its labels; what people decided afterwards
    changes nothing. Ranges in brackets are exact 95 % intervals. With --compare or --models the documents are read
    again beside what is stored, which stays as it is.

    \b
    winnow evaluate --type receipt --html receipts.html
    winnow evaluate --against truth.csv           by a file of labels, which is not imported
    winnow evaluate --against exam/               documents of a folder, by the files of labels in it
    winnow evaluate --compare unlearnt            what was learnt against nothing learnt
    winnow evaluate --compare edited_types        a changed copy of the document types
    winnow evaluate --models gpt-x,claude-y --sample 50 --budget 2
    """
    from blocks.document_types.loader import load_document_types
    from blocks.settings import load_settings

    opened = open_existing(database)
    types = load_document_types(load_settings().document_types_dir)
    settings = settings_of(compare or (), models or (), types, document_type)
    with truth_of(against, opened, types, document_type, budget, use_cache=not no_cache) as truth:
        found = _evaluated(truth, types, sample, settings, use_cache=not no_cache)
    if page is not None and found.types:
        from deployments.cli.evaluate_page import evaluation_page

        write_file(page, evaluation_page(found))
        note(f"{page} has the evaluation with its pictures")
    if as_json:
        say(json.dumps(found.model_dump(mode="json"), ensure_ascii=False))
        return
    _show(found, document_type)


def _evaluated(
    truth: "Truth", types: "Types", sample: int | None, settings: "Sequence[Setting]", *, use_cache: bool
) -> "Evaluated":
    """The labelled documents as they are stored, and by each setting, within the budget."""
    from tasks.evaluate.evaluate import evaluate_stored, sample_of

    labelled = truth.labelled if sample is None else sample_of(truth.labelled, sample)
    if not settings or not labelled:
        found = evaluate_stored(truth.database, types, labelled, truth.ledger)
        return found.model_copy(update={"teaching": truth.teaching})
    from tasks.compare.compare import estimates, side_by_side

    budget_usd = checked_budget(truth.budget, estimates(settings, labelled, truth.ledger or truth.database))
    from tasks.stages import PIPELINE

    names = ", ".join(setting.name for setting in settings)
    note(f"reading {counted(len(labelled), 'labelled document')} by {names}, beside what is stored")
    if truth.ledger is not None:
        settings = [setting.of(truth.database, truth.ledger) for setting in settings]
    found = side_by_side(truth.database, types, labelled, settings, PIPELINE, budget_usd, use_cache=use_cache)
    for other in found.others:
        for line in left_out_lines(other):
            note(line)
    return found.model_copy(update={"teaching": truth.teaching})


def _show(found: "Evaluated", wanted: str | None) -> None:
    if found.unread:
        note(f"{counted(found.unread, 'labelled document')} left out: no run has read them, or their readings are gone")
    if found.teaching:
        note(f"{counted(found.teaching, 'labelled document')} left out: they only teach, by a strict split")
    if not found.types:
        say(NONE_YET if wanted is None else f"no labelled document of type {wanted} was read")
    for number, of_type in enumerate(found.types):
        lines = _lines(of_type)
        if found.others:
            lines += side_by_side_lines(found, of_type.document_type)
        for line in ("", *lines) if number else lines:
            say(line)


def _lines(found: "Evaluation") -> list[str]:
    facts = [
        ("documents right", in_words(found.right)),
        ("wrong among accepted", in_words(found.wrong_among_accepted)),
        ("in review", in_words(found.review)),
        ("failed", str(found.statuses["failed"]) if "failed" in found.statuses else ""),
        ("read as another type", _other_type(found)),
        ("calibration error", f"values {_error(found.values)}, documents {_error(found.confidences)}"),
        ("ranking (AUROC)", f"values {_auroc(found.values)}, documents {_auroc(found.confidences)}"),
        ("per document", f"{money(found.cost_usd_per_document)} USD, {found.seconds_per_document:.2f} s"),
    ]
    lines = [f"{found.document_type}: {counted(found.documents, 'labelled document')}, {drawn(found.draw)}", ""]
    lines += [f"{name:<22}{text}" for name, text in facts if text]
    if found.judged < found.documents:
        rest = found.documents - found.judged
        lines.append(f"{'':<22}{counted(rest, 'document')} not judged: a deciding field has no label")
    if found.fields:
        cells = [_row(name, field) for name, field in found.fields.items()]
        lines += ["", *aligned(HEAD, cells, left={"field"}, droppable=("ranking", "calibration"))]
    lines += [
        f"rows of {name}: {rows.right} right, {rows.wrong} wrong, {rows.missing} missing, {rows.invented} invented"
        for name, field in found.fields.items()
        if (rows := field.rows) is not None
    ]
    return [*lines, *_curve(found.curve, found.accept_at)]


def _row(name: str, field: "FieldEvaluation") -> tuple[str, ...]:
    shares = (field.wrong, field.missed, field.invented)
    return (
        name,
        str(field.right.counted),
        percent(field.right.share),
        f"{field.right.low:.0%}-{field.right.high:.0%}",
        *(str(share.hits) for share in shares),
        _error(field.confidences),
        _auroc(field.confidences),
    )


def _curve(points: "tuple[CurvePoint, ...]", accept_at: float) -> list[str]:
    """What thresholds would cost, at the review rates next to round ones, and at the type's threshold."""
    if not points:
        return []
    chosen = {min(points, key=lambda point: abs(point.review_rate - rate)).threshold for rate in REVIEW_RATES}
    rows = [
        (f"{point.threshold:.3f}", percent(point.review_rate), percent(point.error))
        for point in points
        if point.threshold in chosen
    ]
    head = ("accepted from confidence", "in review", "wrong among accepted")
    today = point_at(points, accept_at)
    costs = (
        "no document is so sure"
        if today is None
        else f"{percent(today.review_rate)} in review, {percent(today.error)} wrong among accepted"
    )
    return ["", *aligned(head, rows, left=()), f"by accept_at {accept_at:g} alone: {costs}"]


def _other_type(found: "Evaluation") -> str:
    read = found.documents - found.statuses.get("failed", 0)
    return str(read - found.read_as_type.hits) if read > found.read_as_type.hits else ""


def _error(found: "Reliability") -> str:
    return NOTHING if found.calibration is None else percent(found.calibration.error)


def _auroc(found: "Reliability") -> str:
    return NOTHING if found.auroc is None else f"{found.auroc:.2f}"
