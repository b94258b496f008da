"""Whether one way of reading beats another, by what both made of the same labelled documents."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from blocks.document_types.schema import DocumentType
from blocks.learning.evaluation import Match, ReadDocument, evaluated_fields, is_right, match_of
from blocks.learning.measures import CONFIDENCE, clopper_pearson, sign_test
from blocks.records import Record


class Verdict(StrEnum):
    """What the second way of reading is beside the first one; inconclusive: chance alone could have done it."""

    BETTER = "better"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


class Compared(Record):
    """Pairs of readings: `better` counts those that only the second got right, `worse` those that only the first did.
    Of all pairs, the first got `right_first` right, and the second `right_second`.

    `p_value` is that of the exact sign test, two-sided (McNemar's test). `difference` is the share of right ones of the
    second less that of the first, None of nothing, and [`low`, `high`] its 95 % interval: exact intervals of both
    shares of `better` and `worse`, of 97.5 % each, so that both hold at once (Bonferroni). It is wider than the verdict
    needs: with a verdict it may still have 0 in it.
    """

    pairs: int
    right_first: int
    right_second: int
    better: int
    worse: int
    p_value: float
    difference: float | None
    low: float
    high: float
    verdict: Verdict


class Comparison(Record):
    """Two readings of the documents of one type. `left_out` counts documents that only one of them has.

    `documents` are those of which it is known whether the row is right. Its verdict is wrong by chance in at most 5 of
    100 comparisons, and so is any verdict among those on `fields`: they share the 5 % by Holm's method ("A simple
    sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979).
    """

    document_type: str
    left_out: int
    documents: Compared
    fields: dict[str, Compared]


def compare(document_type: DocumentType, first: Sequence[ReadDocument], second: Sequence[ReadDocument]) -> Comparison:
    """The second way of reading beside the first one. Raises `ValueError` where a document's labels differ."""
    by_id = {document.document_id: document for document in first}
    pairs = [(by_id[each.document_id], each) for each in second if each.document_id in by_id]
    for one, other in pairs:
        if one.labels != other.labels:
            raise ValueError(f"the labels of document {one.document_id} differ")
    rows = ((is_right(document_type, one), is_right(document_type, other)) for one, other in pairs)
    of_rows = _count((before, after) for before, after in rows if before is not None and after is not None)
    of_fields = {
        name: _count(_matches(document_type, name, pairs))
        for name in evaluated_fields(document_type)
        if any(name in one.labels for one, _ in pairs)
    }
    return Comparison(
        document_type=document_type.name,
        left_out=len(first) + len(second) - 2 * len(pairs),
        documents=_with_verdicts({"": of_rows})[""],
        fields=_with_verdicts(of_fields),
    )


def _matches(
    document_type: DocumentType, name: str, pairs: Iterable[tuple[ReadDocument, ReadDocument]]
) -> Iterator[tuple[bool, bool]]:
    for one, other in pairs:
        if name in one.labels:
            before, after = match_of(document_type, name, one), match_of(document_type, name, other)
            yield before is Match.RIGHT, after is Match.RIGHT


def _count(pairs: Iterable[tuple[bool, bool]]) -> Compared:
    found = list(pairs)
    count, better, worse = len(found), found.count((False, True)), found.count((True, False))
    certainty = (1 + CONFIDENCE) / 2
    gained = clopper_pearson(better, count, certainty=certainty)
    lost = clopper_pearson(worse, count, certainty=certainty)
    return Compared(
        pairs=count,
        right_first=sum(before for before, _ in found),
        right_second=sum(after for _, after in found),
        better=better,
        worse=worse,
        p_value=min(1.0, 2 * min(sign_test(better, worse), sign_test(worse, better))),
        difference=(better - worse) / count if count else None,
        low=gained[0] - lost[1],
        high=gained[1] - lost[0],
        verdict=Verdict.INCONCLUSIVE,
    )


def _with_verdicts(compared: Mapping[str, Compared]) -> dict[str, Compared]:
    """The same in their order, with the verdicts that stand together."""
    judged = dict(compared)
    by_p_value = sorted(compared, key=lambda name: compared[name].p_value)
    for place, name in enumerate(by_p_value):
        one = compared[name]
        if one.p_value > (1 - CONFIDENCE) / (len(by_p_value) - place):
            break
        verdict = Verdict.BETTER if one.better > one.worse else Verdict.WORSE
        judged[name] = one.model_copy(update={"verdict": verdict})
    return judged
