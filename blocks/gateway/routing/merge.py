"""The answer so far of a document on its route, and how each reply changes it, field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType
from blocks.evidence.confidence import of_signals
from blocks.evidence.cross_check import similarity
from blocks.evidence.document_reading import DocumentReading
from blocks.gateway.model import ModelReply
from blocks.gateway.registry.registry import RegistryState
from blocks.records import LOCAL, CriterionReading, FieldReading, Signals
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import typed_value

ABSENT = 0.5
"""The confidence of a model that finds no value where another model finds one: it states none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Readings by field, criteria by name, and the source model of each, as ``name@version``.

    `opinions` are the models that gave a second opinion, `notes` are for readers of the answer, `last` is the model
    that answered last.
    """

    fields: Mapping[str, FieldReading] = field(default_factory=dict)
    criteria: Mapping[str, CriterionReading] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    opinions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    last: str = ""

    @property
    def is_of_models(self) -> bool:
        """Whether any model has a part in it, the built-in reader aside."""
        return any(not _is_built_in(source) for source in (*self.sources.values(), *self.opinions, self.last) if source)

    @property
    def model(self) -> str:
        """All sources, joined by `` + ``; the model that answered last where nothing was read."""
        return " + ".join(dict.fromkeys((*self.sources.values(), *self.opinions))) or self.last


def built_in_reply(reading: DocumentReading) -> ModelReply:
    """The built-in reader's reading as the reply of a step that names it."""
    return ModelReply(
        model=LOCAL, model_version=reading.version, fields=dict(reading.fields), criteria=reading.criteria
    )


def built_in_answer(document_type: DocumentType, reading: DocumentReading) -> Answer:
    """The answer of a route that asks no model."""
    fields = tuple(document_type.fields)
    return with_answer(Answer(), document_type, fields, built_in_reply(reading), is_all=True)


def models_without_part(answer: Answer, names: Sequence[str], registry: RegistryState) -> tuple[str, ...]:
    """The models that have no part in the answer under any name, and so can give a second opinion.

    Two names are the same model where the registry has the same server and upstream for both. The version in a reply
    does not show that: it may be a date, another model's, or empty.
    """
    heard = {source.partition("@")[0] for source in (*answer.sources.values(), *answer.opinions)}
    versions = {model.version for model in registry.models if model.name in heard}
    known = (model for model in map(registry.get, names) if model is not None)
    return tuple(model.name for model in known if model.name not in heard and model.version not in versions)


def with_answer(
    answer: Answer, document_type: DocumentType, asked: Sequence[str], reply: ModelReply, *, is_all: bool
) -> Answer:
    """The answer with the reply's readings of the asked fields.

    A field that was asked and not found is dropped, unless it is required and the built-in reader found it before: then
    that reading stays, and the model's silence counts as a disagreement. A grade is replaced where all fields were
    asked, where it judges an asked field, and where there was none or only the built-in reader's.
    """
    source = _source_of(reply)
    fields, sources = dict(answer.fields), dict(answer.sources)
    for name in asked:
        if name in reply.fields:
            fields[name], sources[_of_field(name)] = reply.fields[name], source
        elif name in fields and _is_built_in(sources[_of_field(name)]) and document_type.fields[name].required:
            fields[name] = _disagreed(fields[name], ABSENT)
        elif name in fields:
            del fields[name], sources[_of_field(name)]
    criteria = dict(answer.criteria)
    judges = {criterion.name for criterion in document_type.criteria if criterion.judges in asked}
    for grade in _known_criteria(document_type, reply):
        before = sources.get(_of_criterion(grade.name))
        if is_all or grade.name in judges or before is None or _is_built_in(before):
            criteria[grade.name], sources[_of_criterion(grade.name)] = grade, source
    return replace(
        answer,
        fields=_in_order(document_type, fields),
        criteria=criteria,
        sources=sources,
        notes=_with_notes(answer, reply),
        last=source,
    )


def with_rewrite(answer: Answer, document_type: DocumentType, reply: ModelReply) -> Answer:
    """The answer with new written fields, and with new grades of the criteria that judge them."""
    written = [name for name in written_fields(document_type) if name in reply.fields]
    judges = {criterion.name for criterion in document_type.criteria if criterion.judges in written}
    kept = {name: grade for name, grade in answer.criteria.items() if name not in judges}
    grades = tuple(grade for grade in reply.criteria if grade.name in judges)
    rewrite = reply.model_copy(update={"criteria": grades})
    return with_answer(replace(answer, criteria=kept), document_type, written, rewrite, is_all=False)


def with_opinion(
    answer: Answer, document_type: DocumentType, asked: Sequence[str], reply: ModelReply
) -> tuple[Answer, tuple[str, ...]]:
    """The answer with another model's readings as signals, and the names of the fields that differ.

    Typed values are compared. A field that only the second model found is taken, and the first model's silence counts
    as a disagreement. Written fields stay: they are not read from the document.
    """
    source = _source_of(reply)
    fields, sources, differing = dict(answer.fields), dict(answer.sources), []
    for name in asked:
        rules = document_type.fields[name]
        first, second = fields.get(name), reply.fields.get(name)
        if rules.written or (first is None and second is None):
            continue
        if first is not None and second is not None:
            if _is_same(rules, first.value, second.value, document_type.languages):
                fields[name] = _agreed(first, second)
                continue
            fields[name] = _disagreed(first, _own_confidence(second))
        elif first is not None:
            fields[name] = _disagreed(first, ABSENT)
        elif second is not None:
            fields[name], sources[_of_field(name)] = _disagreed(second, ABSENT), source
        differing.append(name)
    merged = replace(
        answer,
        fields=_in_order(document_type, fields),
        sources=sources,
        opinions=(*answer.opinions, source),
        notes=_with_notes(answer, reply),
        last=source,
    )
    return merged, tuple(differing)


def written_fields(document_type: DocumentType) -> tuple[str, ...]:
    """The fields that a model writes rather than reads."""
    return tuple(name for name, rules in document_type.fields.items() if rules.written)


def _source_of(reply: ModelReply) -> str:
    return f"{reply.model}@{reply.model_version}"


def _is_built_in(source: str) -> bool:
    return source.partition("@")[0] == LOCAL


def _of_field(name: str) -> str:
    return f"field:{name}"


def _of_criterion(name: str) -> str:
    return f"criterion:{name}"


def _in_order(document_type: DocumentType, fields: Mapping[str, FieldReading]) -> dict[str, FieldReading]:
    return {name: fields[name] for name in document_type.fields if name in fields}


def _known_criteria(document_type: DocumentType, reply: ModelReply) -> list[CriterionReading]:
    """The reply's grades of the rubric's criteria; of two grades for the same criterion, the first."""
    names = {criterion.name for criterion in document_type.criteria}
    known: dict[str, CriterionReading] = {}
    for grade in reply.criteria:
        if grade.name in names:
            known.setdefault(grade.name, grade)
    return list(known.values())


def _with_notes(answer: Answer, reply: ModelReply) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*answer.notes, *reply.notes)))


def _is_same(rules: DocumentField, first: JsonValue, second: JsonValue, languages: tuple[str, ...]) -> bool:
    try:
        return similarity(rules, typed_value(rules, first, languages), typed_value(rules, second, languages)) == 1.0
    except InvalidValue:
        return False


def _agreed(first: FieldReading, second: FieldReading) -> FieldReading:
    """The first reading with the second as a signal for it. A model's reading replaces the built-in reader's, which
    counts in the model's cross-check."""
    if first.signals is None:
        return second
    agreeing = (*first.signals.agreeing, _own_confidence(second))
    return first.model_copy(update={"signals": first.signals.model_copy(update={"agreeing": agreeing})})


def _disagreed(reading: FieldReading, other: float) -> FieldReading:
    signals = reading.signals or Signals(stated=reading.confidence)
    disagreeing = (*signals.disagreeing, other)
    return reading.model_copy(update={"signals": signals.model_copy(update={"disagreeing": disagreeing})})


def _own_confidence(reading: FieldReading) -> float:
    """The confidence of a reading without its cross-check, which must not count twice."""
    signals = reading.signals
    if signals is None:
        return reading.confidence
    return of_signals(Signals(stated=signals.stated, logprob=signals.logprob, is_repaired=signals.is_repaired))
