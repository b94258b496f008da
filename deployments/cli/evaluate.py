"""`winnow evaluate`: how good readings are, by the labels."""

import json
from typing import TYPE_CHECKING

from deployments.cli.labels import NONE_YET
from deployments.cli.options import DatabaseOption, TypeOption, open_existing
from deployments.cli.output import note, say
from deployments.cli.review_options import JsonOption
from deployments.cli.words import aligned, counted, money

if TYPE_CHECKING:
    from blocks.learning.evaluation import Draw, Evaluation, FieldEvaluation, Reliability
    from blocks.learning.measures import CurvePoint, Share

HEAD = ("field", "labels", "right", "95 %", "wrong", "missed", "invented", "calibration", "ranking")
REVIEW_RATES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
NOTHING = "–"


def evaluate(document_type: TypeOption = None, as_json: JsonOption = False, database: DatabaseOption = None) -> None:
    """Say how good readings are, by the labels.

    What the machine read last of each labelled document is compared with its labels; what people decided afterwards
    changes nothing. Ranges in brackets are exact 95 % intervals.
    """
    from blocks.document_types.loader import load_document_types
    from blocks.settings import load_settings
    from tasks.evaluate.evaluate import evaluate_readings

    opened = open_existing(database)
    found = evaluate_readings(opened, load_document_types(load_settings().document_types_dir), document_type)
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
        ("documents right", _share(found.right)),
        ("wrong among accepted", _share(found.wrong_among_accepted)),
        ("in review", _share(found.review)),
        ("failed", str(found.statuses["failed"]) if "failed" in found.statuses else ""),
        ("read as another type", _other_type(found)),
        ("calibration error", f"values {_error(found.values)}, documents {_error(found.confidences)}"),
        ("ranking (AUROC)", f"values {_auroc(found.values)}, documents {_auroc(found.confidences)}"),
        ("per document", f"{money(found.cost_usd_per_document)} USD, {found.seconds_per_document:.2f} s"),
    ]
    lines = [f"{found.document_type}: {counted(found.documents, 'labelled document')}, {_drawn(found.draw)}", ""]
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
    return [*lines, *_curve(found.curve)]


def _row(name: str, field: "FieldEvaluation") -> tuple[str, ...]:
    shares = (field.wrong, field.missed, field.invented)
    return (
        name,
        str(field.right.counted),
        _percent(field.right.share),
        f"{field.right.low:.0%}-{field.right.high:.0%}",
        *(str(share.hits) for share in shares),
        _error(field.confidences),
        _auroc(field.confidences),
    )


def _curve(points: "tuple[CurvePoint, ...]") -> list[str]:
    """What thresholds would cost, at the review rates next to round ones."""
    if not points:
        return []
    chosen = {min(points, key=lambda point: abs(point.review_rate - rate)).threshold for rate in REVIEW_RATES}
    rows = [
        (f"{point.threshold:.3f}", _percent(point.review_rate), _percent(point.error))
        for point in points
        if point.threshold in chosen
    ]
    head = ("accepted from confidence", "in review", "wrong among accepted")
    return ["", *aligned(head, rows, left=())]


def _drawn(draw: "Draw") -> str:
    if draw.is_even and draw.least is not None:
        return "every document of the type" if draw.least == 1 else f"drawn with probability {draw.least:g}"
    if not draw.drawn:
        return "chosen: no estimate for other documents"
    if draw.chosen:
        return f"{draw.chosen:,} chosen: no estimate for other documents"
    return "drawn unevenly: no estimate for other documents"


def _other_type(found: "Evaluation") -> str:
    read = found.documents - found.statuses.get("failed", 0)
    return str(read - found.read_as_type.hits) if read > found.read_as_type.hits else ""


def _share(share: "Share") -> str:
    if share.share is None:
        return NOTHING
    return f"{share.hits:,} of {share.counted:,}, {share.share:.1%} [{share.low:.1%}, {share.high:.1%}]"


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.1%}"


def _error(found: "Reliability") -> str:
    return NOTHING if found.calibration is None else _percent(found.calibration.error)


def _auroc(found: "Reliability") -> str:
    return NOTHING if found.auroc is None else f"{found.auroc:.2f}"
