"""`winnow evaluate`: how good readings are, by the labels."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.evaluate_words import NOTHING, drawn, in_words, percent, point_at
from deployments.cli.labels import NONE_YET
from deployments.cli.options import DatabaseOption, TypeOption, open_existing
from deployments.cli.output import note, say, write_file
from deployments.cli.review_options import JsonOption
from deployments.cli.words import aligned, counted, money

if TYPE_CHECKING:
    from blocks.learning.evaluation import Evaluation, FieldEvaluation, Reliability
    from blocks.learning.measures import CurvePoint

HEAD = ("field", "labels", "right", "95 %", "wrong", "missed", "invented", "calibration", "ranking")
REVIEW_RATES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)


def evaluate(
    document_type: TypeOption = None,
    page: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="also write a page with pictures")] = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Say how good readings are, by the labels.

    What the machine read last of each labelled document is compared with its labels; what people decided afterwards
    changes nothing. Ranges in brackets are exact 95 % intervals.
    """
    from blocks.document_types.loader import load_document_types
    from blocks.settings import load_settings
    from tasks.evaluate.evaluate import evaluate_readings

    opened = open_existing(database)
    found = evaluate_readings(opened, load_document_types(load_settings().document_types_dir), document_type)
    if page is not None and found.types:
        from deployments.cli.evaluate_page import evaluation_page

        write_file(page, evaluation_page(found.types))
        note(f"{page} has the evaluation with its pictures")
    if as_json:
        say(json.dumps(found.model_dump(mode="json"), ensure_ascii=False))
        return
    if found.unread:
        note(f"{counted(found.unread, 'labelled document')} left out: no run has read them, or their readings are gone")
    if found.teaching:
        note(f"{counted(found.teaching, 'labelled document')} left out: they only teach, by a strict split")
    if not found.types:
        say(NONE_YET if document_type is None else f"no labelled document of type {document_type} was read")
    for number, of_type in enumerate(found.types):
        for line in ("", *_lines(of_type)) if number else _lines(of_type):
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
