"""Old results against new ones: which values differ, and which documents would go to people or come from them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from blocks.records import Record

NO_RESULT = "no result"


@dataclass(frozen=True, slots=True)
class ResultPair:
    """The result in force of a document, and the one beside it: document_type, status, fields; None: there is none."""

    document_id: str
    uri: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class ChangedValue(Record):
    """A value of a document that differs. The field `document type` is the type itself."""

    uri: str
    field: str
    before: JsonValue
    after: JsonValue


class Flips(Record):
    """How many documents go from one status to another."""

    before: str
    after: str
    documents: int


class Comparison(Record):
    """`documents` results against the current ones. `same` have equal values and statuses."""

    documents: int
    same: int
    values: tuple[ChangedValue, ...]
    flips: tuple[Flips, ...]

    def flipped(self, before: str, after: str) -> int:
        """How many documents go from one status to the other."""
        return sum(flip.documents for flip in self.flips if (flip.before, flip.after) == (before, after))


def compare(pairs: Iterable[ResultPair]) -> Comparison:
    """Compare results value by value."""
    values: list[ChangedValue] = []
    flips: Counter[tuple[str, str]] = Counter()
    documents = same = 0
    for pair in pairs:
        documents += 1
        old, new = _content(pair.before), _content(pair.after)
        changed = [
            ChangedValue(uri=pair.uri, field=name, before=old.get(name), after=new.get(name))
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
        statuses = (_status(pair.before), _status(pair.after))
        same += not changed and statuses[0] == statuses[1]
        values += changed
        if statuses[0] != statuses[1]:
            flips[statuses] += 1
    found = tuple(Flips(before=old, after=new, documents=n) for (old, new), n in sorted(flips.items()))
    return Comparison(documents=documents, same=same, values=tuple(values), flips=found)


def _status(result: Mapping[str, Any] | None) -> str:
    return NO_RESULT if result is None else str(result["status"])


def _content(result: Mapping[str, Any] | None) -> dict[str, JsonValue]:
    return {} if result is None else {"document type": result["document_type"], **result["fields"]}
