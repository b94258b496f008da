"""Judges the answer so far as validation will judge it in the end: typed values, evidence, and one confidence."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from blocks.document_types.schema import DocumentType, StepAcceptance
from blocks.evidence.findings import FieldFinding, deciding_fields, find_fields, gaps, problems
from blocks.records import CriterionReading, FieldReading, Page


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """A judged answer. Its confidence is that of the weakest of its `deciding` fields; `doubted` are the other fields
    that send the document to review."""

    fields: Mapping[str, FieldFinding]
    criteria: Mapping[str, CriterionReading]
    deciding: tuple[str, ...]
    doubted: tuple[str, ...] = ()

    @property
    def confidence(self) -> float:
        """The confidence of the document; 1 where no field decides it."""
        return min((self.fields[name].confidence for name in self.deciding), default=1.0)


def judge_answer(
    document_type: DocumentType,
    fields: Mapping[str, FieldReading],
    criteria: Mapping[str, CriterionReading],
    pages: Sequence[Page],
) -> JudgedAnswer:
    """Judge an answer. Takes milliseconds of CPU: not for the event loop.

    A written field is never doubted: the criteria that judge it say whether it is good enough.
    """
    found = find_fields(document_type, fields, pages, tuple(criteria.values()))
    deciding = deciding_fields(document_type, found)
    in_doubt = gaps(document_type, found).keys() | problems(found).keys()
    doubted = tuple(
        name
        for name, field in document_type.fields.items()
        if name in in_doubt and name not in deciding and not field.written
    )
    return JudgedAnswer(found, criteria, deciding, doubted)


def what_is_missed(accept: StepAcceptance | None, document_type: DocumentType, judged: JudgedAnswer) -> str:
    """What keeps an answer from ending the route, in words that name the fields; empty where nothing does."""
    if accept is None:
        return ""
    missed: list[str] = []
    if accept.confidence is not None:
        low = [name for name in judged.deciding if judged.fields[name].confidence < accept.confidence]
        missed += [f"confidence under {accept.confidence:g}: {', '.join(low)}"] if low else []
    for name, min_grade in accept.criteria.items():
        if name not in judged.criteria:
            missed.append(f"{name} was not graded")
        elif judged.criteria[name].grade < min_grade:
            missed.append(f"{name} is graded {judged.criteria[name].grade:.2f}, under {min_grade:g}")
    if accept.checks:
        required = [name for name, field in document_type.fields.items() if field.required]
        absent = [name for name in required if _is_nothing(judged.fields[name])]
        ungrounded = [name for name in required if judged.fields[name].problem is not None]
        missed += [f"not read: {', '.join(absent)}"] if absent else []
        missed += [f"not borne by the document: {', '.join(ungrounded)}"] if ungrounded else []
        missed += [f"doubtful: {', '.join(judged.doubted)}"] if judged.doubted else []
    return "; ".join(missed)


def unsure_fields(accept: StepAcceptance | None, document_type: DocumentType, judged: JudgedAnswer) -> tuple[str, ...]:
    """The fields to ask again after an answer that was not enough, in the type's order."""
    min_confidence = accept.confidence if accept is not None and accept.confidence is not None else 0.0

    def is_unsure(name: str) -> bool:
        finding = judged.fields[name]
        if _is_nothing(finding):
            return document_type.fields[name].required
        return name in judged.doubted or finding.problem is not None or finding.confidence < min_confidence

    return tuple(name for name in document_type.fields if is_unsure(name))


def control_fields(document_type: DocumentType, asked: Collection[str]) -> tuple[str, ...]:
    """The required fields besides `asked`. They are asked as well, because the known values of a reply show how good it
    is: a reply about unsure fields alone has nothing to be judged by, and most of its true values are doubted."""
    return tuple(
        name
        for name, field in document_type.fields.items()
        if field.required and not field.written and name not in asked
    )


def _is_nothing(finding: FieldFinding) -> bool:
    return finding.value is None and finding.problem is None
