"""An evaluation as one page of HTML: what readings are worth, in pictures."""

from collections.abc import Iterator, Mapping, Sequence

from blocks.learning.comparison import Compared
from blocks.learning.evaluation import Evaluation, FieldEvaluation, Reliability
from blocks.learning.measures import Bin, CurvePoint, Share
from deployments.cli.evaluate_pairs import DOCUMENTS, compared_cells, evaluation_of, figures
from deployments.cli.evaluate_words import drawn, in_words, percent, point_at
from deployments.cli.html_page import Section, Table, page
from deployments.cli.words import counted, money
from deployments.review_app.charts import (
    ROW,
    Chart,
    Mark,
    Span,
    bars,
    diagonal,
    share_scale,
    spans,
    spans_height,
    trade,
)
from tasks.evaluate.evaluate import STORED, Evaluated

MATCHES = ("right", "wrong", "missed", "invented")
ROW_MATCHES = ("right", "wrong", "missing", "invented")
STYLES = ("s0", "bad", "s1", "s2")


def evaluation_page(found: Evaluated) -> str:
    """The page of all types."""
    sections = [section for each in found.types for section in (_section(each), *_side_by_side(found, each))]
    documents = counted(sum(each.documents for each in found.types), "labelled document")
    return page("Winnow evaluation", f"What was read of {documents}", sections)


def _side_by_side(found: Evaluated, stored: Evaluation) -> Iterator[Section]:
    """The settings of a type beside the stored readings."""
    pairs = [
        (pair, comparison)
        for pair in found.pairs
        for comparison in pair.types
        if comparison.document_type == stored.document_type
    ]
    if not pairs:
        return
    others = {each.setting: evaluation_of(each.types, stored.document_type) for each in found.others}
    known = {STORED: stored} | {name: each for name, each in others.items() if each is not None}
    tables = [Table("Figures", ("figure", *known), [(name, *cells) for name, cells in figures(list(known.values()))])]
    charts = []
    for number, (pair, comparison) in enumerate(pairs):
        name = f"{pair.second} against {pair.first}"
        compared = {DOCUMENTS: comparison.documents, **comparison.fields}
        head = ("field", pair.first, pair.second, "gained", "lost", "difference", "95 % interval", "verdict")
        note = f"{counted(comparison.left_out, 'document')} left out." if comparison.left_out else ""
        tables.append(Table(name, head, [compared_cells(field, each) for field, each in compared.items()], note))
        charts.append(_differences(f"{stored.document_type}-pair-{number}", name, compared))
    yield Section(
        title=f"{stored.document_type}, side by side",
        sentences=[f"{pair.second} against {pair.first}: {each.documents.verdict}." for pair, each in pairs],
        charts=charts,
        tables=tables,
    )


def _differences(key: str, name: str, compared: Mapping[str, Compared]) -> Chart:
    given = [
        Span(
            field, each.low, each.high, each.difference, f"{each.difference:+.1%}, {each.low:+.1%} to {each.high:+.1%}"
        )
        for field, each in compared.items()
        if each.difference is not None
    ]
    top = share_scale(max((abs(end) for span in given for end in (span.low, span.high)), default=0))
    return Chart(
        key=key,
        title=f"{name}: difference of right ones",
        says="; ".join(f"{span.name}: {span.text}" for span in given),
        head=("field", "difference, with the 95 % interval", "verdict"),
        rows=tuple((span.name, span.text, str(compared[span.name].verdict)) for span in given),
        marks=spans(given, top, "%", bottom=-top) if given else (),
        note="To the right of 0, more are right. The bar is the 95 % interval; it is wider than the verdict needs.",
        height=spans_height(len(given)),
        empty="No document has both readings.",
    )


def _section(found: Evaluation) -> Section:
    sentences = [f"{counted(found.documents, 'labelled document')}, {drawn(found.draw)}."]
    if found.judged < found.documents:
        rest = counted(found.documents - found.judged, "document")
        sentences.append(f"{rest} not judged: a deciding field has no label.")
    return Section(
        title=found.document_type,
        sentences=sentences,
        tiles=(
            (percent(found.right.share), "documents right"),
            (percent(found.wrong_among_accepted.share), "wrong among accepted"),
            (percent(found.review.share), "in review"),
            (money(found.cost_usd_per_document), "USD per document"),
            (f"{found.seconds_per_document:.2f}", "seconds per document"),
        ),
        charts=list(_charts(found)),
        small=list(_reliabilities(found)),
        small_title="Confidence against correctness",
        small_note="Across: the confidence. Up: the share that is right. On the line both are the same; below it, "
        "confidences promise too much. Larger dots stand for more values.",
        tables=(_fields(found), _shares(found)),
    )


def _charts(found: Evaluation) -> Iterator[Chart]:
    yield _curve(found)
    yield _matches(found)
    yield _right(found)
    tables = {name: field.rows for name, field in found.fields.items() if field.rows is not None}
    if tables:
        counts = [(rows.right, rows.wrong, rows.missing, rows.invented) for rows in tables.values()]
        yield _stacked(f"{found.document_type}-rows", "Rows of tables", list(tables), counts, ROW_MATCHES)


def _curve(found: Evaluation) -> Chart:
    """The review rate against the error, with the type's threshold and what became of the rows."""
    points = found.curve
    chosen = point_at(points, found.accept_at)
    legend, marked, notes = [], [], []
    if chosen is not None:
        legend.append(("s1", f"by accept_at {found.accept_at:g} alone"))
        marked.append(Mark("circle", (chosen.review_rate, chosen.error, 7), "s1", f"accept_at: {_point(chosen)}"))
    elif points:
        notes.append(f"No row has a confidence of accept_at {found.accept_at:g}.")
    wrong = found.wrong_among_accepted.share
    if wrong is not None and found.review.share is not None:
        says = f"as decided: {found.review.share:.1%} in review, {wrong:.1%} wrong among accepted"
        legend.append(("s3", "as decided, with all other reasons"))
        marked.append(Mark("circle", (found.review.share, wrong, 4), "s3", says))
    notes.append("Across: the rows that people would review. Up: the wrong ones among the others.")
    return Chart(
        key=f"{found.document_type}-curve",
        title="What a threshold costs",
        says="; ".join(mark.text for mark in marked) or f"{len(points)} thresholds",
        head=("accepted from", "in review", "wrong among accepted"),
        rows=tuple((f"{p.threshold:.3f}", f"{p.review_rate:.1%}", f"{p.error:.1%}") for p in points),
        marks=trade([(p.review_rate, p.error, _point(p)) for p in points], marked) if points else (),
        legend=tuple(legend),
        note=" ".join(notes),
        empty="Here you will see what a threshold costs, once a document has a label of each deciding field.",
    )


def _point(point: CurvePoint) -> str:
    return f"from {point.threshold:.3f}: {point.review_rate:.1%} in review, {point.error:.1%} wrong among the others"


def _matches(found: Evaluation) -> Chart:
    counts = [_counts(field) for field in found.fields.values()]
    return _stacked(f"{found.document_type}-fields", "Values by field", list(found.fields), counts, MATCHES)


def _counts(field: FieldEvaluation) -> tuple[int, ...]:
    return tuple(share.hits for share in (field.right, field.wrong, field.missed, field.invented))


def _stacked(
    key: str, title: str, names: Sequence[str], counts: Sequence[tuple[int, ...]], legend: tuple[str, ...]
) -> Chart:
    cells = tuple((name, *(f"{count:,}" for count in each)) for name, each in zip(names, counts, strict=True))
    return Chart(
        key=key,
        title=title,
        says="; ".join(f"{name}: {each[0]:,} of {sum(each):,} right" for name, each in zip(names, counts, strict=True)),
        head=("field", *legend),
        rows=cells,
        marks=bars(names, counts, legend, STYLES),
        legend=tuple(zip(STYLES, legend, strict=True)),
        height=len(names) * ROW + 8,
        empty="No field has a label.",
    )


def _right(found: Evaluation) -> Chart:
    shares = {name: field.right for name, field in found.fields.items()}
    given = [
        Span(name, share.low, share.high, share.share, in_words(share))
        for name, share in shares.items()
        if share.share is not None
    ]
    return Chart(
        key=f"{found.document_type}-right",
        title="Right values by field, with their ranges",
        says="; ".join(f"{span.name}: {span.text}" for span in given),
        head=("field", "right, with the 95 % interval"),
        rows=tuple((span.name, span.text) for span in given),
        marks=spans(given, 1, "%"),
        note="The bar is the exact 95 % interval.",
        height=spans_height(len(given)),
        empty="No field has a label.",
    )


def _reliabilities(found: Evaluation) -> Iterator[Chart]:
    """The reliability diagrams: of rows, of all values, and of each field."""
    groups = {"documents": found.confidences, "values of all fields": found.values}
    groups |= {name: field.confidences for name, field in found.fields.items()}
    for number, (name, reliability) in enumerate(groups.items()):
        if reliability.calibration is not None:
            yield _reliability(f"{found.document_type}-reliability-{number}", name, reliability)


def _reliability(key: str, name: str, found: Reliability) -> Chart:
    bins = found.calibration.bins if found.calibration is not None else ()
    ranking = "" if found.auroc is None else f", ranking {found.auroc:.2f}"
    error = "" if found.calibration is None else f"calibration error {found.calibration.error:.1%}"
    return Chart(
        key=key,
        title=name,
        says=f"{name}: {error}{ranking}",
        head=("confidence", "counted", "right"),
        rows=tuple((f"{b.low:.0%} to {b.high:.0%}", f"{b.counted:,}", f"{b.right / b.counted:.1%}") for b in bins),
        marks=diagonal([(b.mean, b.right / b.counted, b.counted, _group(b)) for b in bins]),
        note=f"{error}{ranking}",
        width=236,
        height=208,
    )


def _group(found: Bin) -> str:
    share = f"{found.right / found.counted:.1%}"
    return f"confidence {found.mean:.0%}: {found.right:,} of {found.counted:,} right, {share}"


def _fields(found: Evaluation) -> Table:
    head = ("field", "labels", "right", "95 % interval", *MATCHES[1:], "calibration", "ranking")
    rows = [
        (
            name,
            f"{field.right.counted:,}",
            percent(field.right.share),
            f"{field.right.low:.1%} to {field.right.high:.1%}",
            *(f"{count:,}" for count in _counts(field)[1:]),
            percent(None if field.confidences.calibration is None else field.confidences.calibration.error),
            "–" if field.confidences.auroc is None else f"{field.confidences.auroc:.2f}",
        )
        for name, field in found.fields.items()
    ]
    return Table("Fields", head, rows, "Calibration: the expected calibration error. Ranking: AUROC, 0.5 is chance.")


def _shares(found: Evaluation) -> Table:
    shares: dict[str, Share] = {
        "documents right": found.right,
        "wrong among accepted": found.wrong_among_accepted,
        "in review": found.review,
        "read as this type": found.read_as_type,
    }
    rows = [
        (name, f"{share.hits:,} of {share.counted:,}", percent(share.share), f"{share.low:.1%} to {share.high:.1%}")
        for name, share in shares.items()
    ]
    return Table("Documents", ("share", "documents", "share", "95 % interval"), rows)
