"""The answer so far of a document on its route, and what each further reply makes of it, field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType
from blocks.evidence.confidence import of_signals
from blocks.gateway.model import ModelReply
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.routing.judge import judges_of
from blocks.gateway.routing.witness import alike
from blocks.records import LOCAL, CriterionReading, FieldReading, Signals
from blocks.values.typed_values import InvalidValue, typed_value

ABSENT = 0.5
"""The confidence of a model that finds nothing where another finds a value: it says nothing of how sure it is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Readings by field, criteria by name, and for each of them which model gave it, as ``name@version``.

    `opinions` are models whose second opinion was taken, `notes` what the replies' readers must know.
    """

    fields: Mapping[str, FieldReading] = field(default_factory=dict)
    criteria: Mapping[str, CriterionReading] = field(default_factory=dict)
    givers: Mapping[str, str] = field(default_factory=dict)
    opinions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    last: str = ""

    @property
    def is_of_models(self) -> bool:
        """Whether any model but the built-in one has a part in it."""
        return any(not is_local(one) for one in (*self.givers.values(), *self.opinions, self.last) if one)

    @property
    def model(self) -> str:
        """Every model that has a part in it, joined by `` + ``; the one that answered last where nothing was read."""
        return " + ".join(dict.fromkeys((*self.givers.values(), *self.opinions))) or self.last


def others_than(answer: Answer, names: Sequence[str], registry: RegistryState) -> tuple[str, ...]:
    """Those of the models that have no part in the answer, under whatever name: only their opinion is a second.

    Two names are one model where the registry has the same server and upstream under both. What the provider says has
    served a reply does not tell: it may be a date's, another one's or nothing.
    """
    said = {one.partition("@")[0] for one in (*answer.givers.values(), *answer.opinions)}
    versions = {one.version for one in registry.models if one.name in said}
    others = (one for one in map(registry.get, names) if one is not None)
    return tuple(one.name for one in others if one.name not in said and one.version not in versions)


def is_local(giver: str) -> bool:
    """Whether ``name@version`` is the built-in model."""
    return giver.partition("@")[0] == LOCAL


def with_answer(
    answer: Answer, document_type: DocumentType, asked: Sequence[str], reply: ModelReply, *, is_whole: bool
) -> Answer:
    """The reply's readings in the place of those so far, for the fields that were asked.

    A field that was asked and not found is nothing, unless it is required and the built-in model found it before: that
    reading is then kept, with the other's silence as a disagreement. Grades are replaced where the whole document was
    asked, where they judge what was asked, and where there were none but the built-in model's.
    """
    giver = giver_of(reply)
    fields, givers = dict(answer.fields), dict(answer.givers)
    for name in asked:
        if name in reply.fields:
            fields[name], givers[_of_field(name)] = reply.fields[name], giver
        elif name in fields and is_local(givers[_of_field(name)]) and document_type.fields[name].required:
            fields[name] = _disagreed(fields[name], ABSENT)
        elif name in fields:
            del fields[name], givers[_of_field(name)]
    criteria = dict(answer.criteria)
    for one in _known_criteria(document_type, reply):
        before = givers.get(_of_criterion(one.name))
        judges = one.name in {judge.name for judge in judges_of(document_type, tuple(asked))}
        if is_whole or judges or before is None or is_local(before):
            criteria[one.name], givers[_of_criterion(one.name)] = one, giver
    ordered = {name: fields[name] for name in document_type.fields if name in fields}
    return replace(answer, fields=ordered, criteria=criteria, givers=givers, notes=_noted(answer, reply), last=giver)


def with_rewrite(answer: Answer, document_type: DocumentType, reply: ModelReply) -> Answer:
    """The written fields, and the grades of the criteria that judge them, replaced; everything else stays."""
    written = [name for name in written_fields(document_type) if name in reply.fields]
    grades = {one.name for one in judges_of(document_type, written)}
    only = reply.model_copy(
        update={
            "fields": {name: reply.fields[name] for name in written},
            "criteria": tuple(one for one in reply.criteria if one.name in grades),
        }
    )
    kept = {name: one for name, one in answer.criteria.items() if name not in grades}
    return with_answer(replace(answer, criteria=kept), document_type, written, only, is_whole=False)


def with_opinion(
    answer: Answer, document_type: DocumentType, asked: Sequence[str], reply: ModelReply
) -> tuple[Answer, tuple[str, ...]]:
    """The readings so far with what another model says of them as signals, and the names of the fields they differ in.

    Values are compared as results would hold them. A field that only the second model found is taken, with the first
    one's silence as a disagreement. Written fields are nobody's reading of the document: they stay.
    """
    giver = giver_of(reply)
    fields, givers, differing = dict(answer.fields), dict(answer.givers), []
    for name in asked:
        kind = document_type.fields[name]
        first, second = fields.get(name), reply.fields.get(name)
        if kind.written or (first is None and second is None):
            continue
        if first is None and second is not None:
            fields[name], givers[_of_field(name)] = _disagreed(second, ABSENT), giver
            differing.append(name)
        elif first is not None and second is None:
            fields[name] = _disagreed(first, ABSENT)
            differing.append(name)
        elif first is not None and second is not None:
            if _same(kind, first.value, second.value, document_type.languages):
                fields[name] = _agreed(first, second)
            else:
                fields[name] = _disagreed(first, _own_word(second))
                differing.append(name)
    ordered = {name: fields[name] for name in document_type.fields if name in fields}
    merged = replace(
        answer,
        fields=ordered,
        givers=givers,
        opinions=(*answer.opinions, giver),
        notes=_noted(answer, reply),
        last=giver,
    )
    return merged, tuple(differing)


def giver_of(reply: ModelReply) -> str:
    """Who gave a reply: ``name@version``."""
    return f"{reply.model}@{reply.model_version}"


def written_fields(document_type: DocumentType) -> tuple[str, ...]:
    """The fields that a model writes rather than reads."""
    return tuple(name for name, one in document_type.fields.items() if one.written)


def _of_field(name: str) -> str:
    return f"field:{name}"


def _of_criterion(name: str) -> str:
    return f"criterion:{name}"


def _known_criteria(document_type: DocumentType, reply: ModelReply) -> list[CriterionReading]:
    """The reply's grades that the rubric asks for; of two for one criterion the first."""
    names = {one.name for one in document_type.rubric.criteria} if document_type.rubric is not None else set()
    known: dict[str, CriterionReading] = {}
    for one in reply.criteria:
        if one.name in names:
            known.setdefault(one.name, one)
    return list(known.values())


def _noted(answer: Answer, reply: ModelReply) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*answer.notes, *reply.notes)))


def _same(kind: DocumentField, first: JsonValue, second: JsonValue, languages: tuple[str, ...]) -> bool:
    try:
        one, other = typed_value(kind, first, languages), typed_value(kind, second, languages)
    except InvalidValue:
        return False
    return alike(kind, one, other) == 1.0


def _agreed(first: FieldReading, second: FieldReading) -> FieldReading:
    """The reading with the other one's word for it; of the built-in reader and a model that agree, the model's, to
    which the built-in reader bears witness."""
    if first.signals is None:
        return second
    agreeing = (*first.signals.agreeing, _own_word(second))
    return first.model_copy(update={"signals": first.signals.model_copy(update={"agreeing": agreeing})})


def _disagreed(reading: FieldReading, other: float) -> FieldReading:
    signals = reading.signals or Signals(stated=reading.confidence)
    disagreeing = (*signals.disagreeing, other)
    return reading.model_copy(update={"signals": signals.model_copy(update={"disagreeing": disagreeing})})


def _own_word(reading: FieldReading) -> float:
    """What a reading counts for beside another: the built-in reader's view of it is not counted twice."""
    if reading.signals is None:
        return reading.confidence
    own = Signals(
        stated=reading.signals.stated, logprob=reading.signals.logprob, is_repaired=reading.signals.is_repaired
    )
    return of_signals(own)
