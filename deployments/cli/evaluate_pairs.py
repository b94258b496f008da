"""How settings side by side are printed."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from deployments.cli.evaluate_words import NOTHING, percent
from deployments.cli.words import aligned, counted, money

if TYPE_CHECKING:
    from blocks.learning.comparison import Compared, Comparison
    from blocks.learning.evaluation import Evaluation
    from tasks.evaluate.evaluate import Evaluated, Pair, ReadBeside

DOCUMENTS = "documents"


def left_out_lines(found: "ReadBeside") -> Iterator[str]:
    """What a setting has no readings of, and why; and what it cost."""
    reasons = (
        (found.without_pages, "their pages are not stored"),
        (found.unopened, "their files could not be read again"),
        (found.unanswered, "no model answered; winnow models costs and winnow failures say why"),
    )
    for number, why in reasons:
        if number:
            yield f"{found.setting}: {counted(number, 'document')} left out: {why}"
    if found.spent_usd:
        yield f"{found.setting}: its calls cost {money(found.spent_usd)} USD"


def side_by_side_lines(found: "Evaluated", document_type: str) -> list[str]:
    """A type's figures by setting, and each setting against each earlier one."""
    from tasks.evaluate.evaluate import STORED

    columns = {STORED: found.types} | {each.setting: each.types for each in found.others}
    known = {name: each for name, types in columns.items() if (each := evaluation_of(types, document_type)) is not None}
    rows = [(label, *cells) for label, cells in figures(list(known.values()))]
    lines = ["", f"{document_type} side by side", *aligned(("", *known), rows, left={""})]
    for pair in found.pairs:
        for comparison in pair.types:
            if comparison.document_type == document_type:
                lines += ["", *_pair_lines(pair, comparison)]
    return lines


def evaluation_of(types: "Sequence[Evaluation]", document_type: str) -> "Evaluation | None":
    """The evaluation of a type; None where no document of it has a reading."""
    return next((each for each in types if each.document_type == document_type), None)


def figures(found: "Sequence[Evaluation]") -> "Iterator[tuple[str, tuple[str, ...]]]":
    """Figures of evaluations, a cell for each of them."""
    yield "labelled documents", tuple(f"{each.documents:,}" for each in found)
    yield "documents right", tuple(percent(each.right.share) for each in found)
    yield "wrong among accepted", tuple(percent(each.wrong_among_accepted.share) for each in found)
    yield "in review", tuple(percent(each.review.share) for each in found)
    yield (
        "calibration error",
        tuple(NOTHING if each.values.calibration is None else percent(each.values.calibration.error) for each in found),
    )
    yield (
        "ranking (AUROC)",
        tuple(NOTHING if each.values.auroc is None else f"{each.values.auroc:.2f}" for each in found),
    )
    yield "USD per document", tuple(money(each.cost_usd_per_document) for each in found)
    yield "s per document", tuple(f"{each.seconds_per_document:.2f}" for each in found)


def _pair_lines(pair: "Pair", found: "Comparison") -> list[str]:
    verdict = found.documents.verdict
    left_out = f", {counted(found.left_out, 'document')} left out" if found.left_out else ""
    head = f"{pair.second} against {pair.first}: {verdict} in whole documents{left_out}"
    differing = {name: each for name, each in found.fields.items() if each.better or each.worse}
    if not differing and not (found.documents.better or found.documents.worse):
        return [f"{head}; the same values are right"]
    rows = [compared_cells(name, each) for name, each in {DOCUMENTS: found.documents, **differing}.items()]
    titles = ("", pair.first, pair.second, "gained", "lost", "difference", "95 %", "verdict")
    lines = [head, *aligned(titles, rows, left={""}, droppable=("gained", "lost"))]
    alike = len(found.fields) - len(differing)
    return [*lines, f"{counted(alike, 'field')} without a difference"] if alike else lines


def compared_cells(name: str, found: "Compared") -> tuple[str, ...]:
    """What both settings got right of the same documents, and what the exact test says of it."""
    if found.difference is None:
        return (name, *([NOTHING] * 6), str(found.verdict))
    return (
        name,
        f"{found.right_first:,} of {found.pairs:,}",
        f"{found.right_second:,}",
        f"{found.better:,}",
        f"{found.worse:,}",
        f"{found.difference:+.1%}",
        f"{found.low:+.1%} to {found.high:+.1%}",
        str(found.verdict),
    )
