"""What a text shows for and against a document type that nobody has trained: its titles, labels and typical words.

All figures are log odds, like the weights of signals, and add up with them:

- A title that names the type, by the type's own title or by another title of the same kind of paper (papers.py).
- The labels of the type's fields, above all of its required ones. A label that any form has ("Date") says little, and
  more labels add less and less: they are not independent of each other.
- Statements by which a paper is of its kind ("This is to certify that"), phrases that are typical of the kind, and
  words of the type's description.
- Against the type: a title that names another kind of paper and stands out more than any title of the type's own. What
  speaks for the type is then bounded, because the words of a remittance advice are those of its invoices.

The weights were set on half of the documents in tests/resources/new_types and checked on the other half; see
docs/benchmarks.md.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from blocks.document_types.schema import DocumentField, DocumentType
from tasks.classify.marks import Mark, marks_in
from tasks.classify.outline import Cell, Outline, stem, words_of
from tasks.classify.papers import (
    FIRST_LINES,
    LABELS_OF_ANY_FORM,
    TITLE_LINES,
    Papers,
    Strength,
    Title,
    is_telling,
    is_unreferred,
    known_papers,
    with_names,
    word_list,
)

FOR_TITLE: Mapping[Strength, float] = {
    Strength.ALONE: 5.0,
    Strength.NUMBERED: 4.5,
    Strength.PHRASE: 3.5,
    Strength.REFERENCE: 1.0,
}
FOR_LATE_TITLE, FOR_FIRST_REFERENCE = 2.5, 2.5
"""For a title below the first lines at most, and for the type's name as a label on the first lines."""
FOR_STATEMENT = 3.0
"""For a statement by which a paper is of the type's kind, without a title: "This is to certify that"."""
FOR_MENTION = 1.0
"""For a name of the type in the running text."""

AGAINST_TITLE: Mapping[Strength, float] = {Strength.ALONE: 6.0, Strength.NUMBERED: 5.0, Strength.PHRASE: 3.0}
"""Against a type where the text's title names another kind."""
MAX_FOR_CONTRADICTED = 5.0
"""What may speak for a type that the title contradicts, at most."""

FOR_LABEL, FOR_LONG_LABEL, FOR_USUAL_LABEL = 1.0, 1.5, 0.25
"""For a label of one word, of several, and of any form."""
OPTIONAL_SHARE = 0.6
"""What the label of an optional field counts of that of a required one."""
MAX_FOR_LABELS, MAX_FOR_PHRASES, MAX_FOR_WORDS = 4.5, 3.0, 1.5
FOR_PHRASE = 0.8
FOR_ALL_REQUIRED, MIN_REQUIRED = 1.5, 2.0
"""For the labels of all required fields, where those count so much that not any form has them."""
LONG = 12
"""A phrase of so many letters is found where a line or a PDF parts or joins its words."""
NEGLIGIBLE = 1.5
"""With less evidence a type is no candidate, so that types do not take confidence from each other by their number."""
MAX_LABEL_WORDS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """The evidence for one type, the title that contradicts it, and what else lets it be doubted, in words."""

    weight: float
    contradiction: Title | None = None
    doubt: str = ""


@dataclass(frozen=True)
class TypeEvidence:
    """The evidence of texts for each of the given types, from what the types say of themselves. Thread-safe."""

    types: Mapping[str, DocumentType]
    usual_stems: frozenset[str] = field(default_factory=frozenset)

    def findings(self, outline: Outline) -> dict[str, Finding]:
        """A finding per type."""
        folded = f" {outline.folded} "
        titles = [self._resolved(title, folded) for title in self._papers.titles(outline)]
        labels = self._found_labels(outline.cells) if self._labels else {}
        marks = marks_in(outline, self._papers)
        first_amounts = outline.first_amounts
        return {
            name: Finding(
                self._weight(name, outline, titles, labels.get(name, {})) if self._is_described(name) else 0.0,
                _contradiction(titles, self._kinds[name], first_amounts),
                self._doubt(name, titles, marks, first_amounts),
            )
            for name in self.types
        }

    def _doubt(self, name: str, titles: Sequence[Title], marks: Sequence[Mark], first_amounts: int) -> str:
        """The mark that voids the paper, or a title of a kind that only shares names with the type's: "Receipt"."""
        mark = next((mark for mark in marks if mark.concerns(self._exact_kinds[name])), None)
        if mark is not None:
            return mark.remark
        title = _contradiction(titles, self._own_kinds[name], first_amounts)
        return f"titled {title.name}" if title is not None else ""

    def _is_described(self, name: str) -> bool:
        return self.types[name].classification.by_description

    def _resolved(self, title: Title, folded: str) -> Title:
        """The title with those of the kinds that share it whose phrases stand in the text most often."""
        counts = {kind: _count(self._papers.phrases.get(kind, ()), folded) for kind in title.kinds}
        most = max(counts.values())
        if most == 0:
            return title
        return replace(
            title, kinds=frozenset(k for k, n in counts.items() if n == most or k not in self._papers.phrases)
        )

    def _weight(self, name: str, outline: Outline, titles: Sequence[Title], labels: Mapping[str, float]) -> float:
        folded = f" {outline.folded} "
        own = [title for title in titles if title.kinds & self._kinds[name]]
        weight = max((_for_title(title) for title in own), default=0.0)
        if weight < FOR_STATEMENT and _count(self._statements[name], folded):
            weight = FOR_STATEMENT
        elif not own and _count(self._mentions[name], folded):
            weight = FOR_MENTION
        weight += _saturated(sum(labels.values()), MAX_FOR_LABELS)
        required = [known_as for known_as, known in self.types[name].fields.items() if known.required]
        if len(required) > 1 and sum(labels.get(known_as, -math.inf) for known_as in required) >= MIN_REQUIRED:
            weight += FOR_ALL_REQUIRED
        weight += _saturated(_count(self._phrases[name], folded) * FOR_PHRASE, MAX_FOR_PHRASES)
        weight += self._for_words(name, outline)
        return weight if weight > NEGLIGIBLE else 0.0

    def _for_words(self, name: str, outline: Outline) -> float:
        """For the share of the type's own words that the text has."""
        wanted = self._stems[name]
        found = len(wanted & outline.stems)
        return MAX_FOR_WORDS * found / len(wanted) if found > 1 else 0.0

    def _found_labels(self, cells: Iterable[Cell]) -> dict[str, dict[str, float]]:
        """The weight of each field whose label stands in the text: {type: {field: weight}}."""
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for cell in cells:
            for words in _label_words(cell):
                for name, field_name, weight in self._labels.get(words, ()):
                    found[name][field_name] = max(weight, found[name].get(field_name, 0.0))
        return found

    @cached_property
    def _labels(self) -> dict[tuple[str, ...], list[tuple[str, str, float]]]:
        labels: dict[tuple[str, ...], list[tuple[str, str, float]]] = defaultdict(list)
        for name in filter(self._is_described, sorted(self.types)):
            for field_name, known in self.types[name].fields.items():
                for words in {words_of(alias) for alias in (*known.aliases, field_name.replace("_", " "))}:
                    labels[words].append((name, field_name, _for_label(words, known)))
        return labels

    @cached_property
    def _papers(self) -> Papers:
        """The known kinds, with the types' own titles, which mean that type alone: "Credit note" beside an invoice."""
        papers = with_names(known_papers(), {_own(name): _names(known) for name, known in self.types.items()})
        titles = Counter(words_of(known.title) for known in self.types.values())
        own = {
            words: frozenset({_own(name)})
            for name, known in self.types.items()
            if titles[words := words_of(known.title)] == 1 and self._is_described(name)
        }
        return replace(papers, names={**papers.names, **own})

    @cached_property
    def _kinds(self) -> dict[str, frozenset[str]]:
        """The kinds of paper that each type is: its own, and those that its title or name means.

        Of the kinds that share the title of a described type, the one of that name alone: a type "Credit note" is not
        known by what invoices are called.
        """
        known = known_papers()
        kinds: dict[str, frozenset[str]] = {}
        for name, document_type in self.types.items():
            meant = [known.kinds_in(words_of(text)) for text in _names(document_type)]
            exact = frozenset(" ".join(words_of(text)) for text in _names(document_type))
            found = frozenset().union(*meant)
            kinds[name] = ((found & exact) or found if self._is_described(name) else found) | {_own(name)}
        return kinds

    @cached_property
    def _own_kinds(self) -> dict[str, frozenset[str]]:
        """The kinds of each type without those that only share a name: a receipt may be titled "Invoice"."""
        named = {
            name: frozenset(" ".join(words_of(text)) for text in _names(known)) for name, known in self.types.items()
        }
        return {name: (kinds & named[name] or kinds) | {_own(name)} for name, kinds in self._kinds.items()}

    @cached_property
    def _exact_kinds(self) -> dict[str, frozenset[str]]:
        """Each type's name with the kinds so called, or else all: "This is not an invoice" does not mean a receipt."""
        return {
            name: kinds | {" ".join(words_of(text)) for text in _names(self.types[name])}
            for name, kinds in self._own_kinds.items()
        }

    @cached_property
    def _mentions(self) -> dict[str, tuple[str, ...]]:
        return {
            name: tuple(" ".join(words) for words, kinds in self._papers.names.items() if kinds & self._kinds[name])
            for name in self.types
        }

    @cached_property
    def _phrases(self) -> dict[str, tuple[str, ...]]:
        phrases = self._papers.phrases
        return {
            name: tuple(p for kind in sorted(kinds) for p in phrases.get(kind, ()))
            for name, kinds in self._kinds.items()
        }

    @cached_property
    def _statements(self) -> dict[str, tuple[str, ...]]:
        statements = self._papers.statements
        return {
            name: tuple(term for kind in sorted(kinds) for term in statements.get(kind, ()))
            for name, kinds in self._kinds.items()
        }

    @cached_property
    def _stems(self) -> dict[str, frozenset[str]]:
        """The stems of each type's description and names of fields, without those that any text has."""
        return {
            name: frozenset(
                stem(word)
                for text in (known.description, *known.fields)
                for word in words_of(text.replace("_", " "))
                if len(word) > 3
            )
            - self.usual_stems
            for name, known in self.types.items()
        }


def bounded(weight: float, contradiction: Title | None) -> float:
    """All the evidence for a type, `weight`, after a title that contradicts it."""
    return (
        weight if contradiction is None else min(weight, MAX_FOR_CONTRADICTED) - AGAINST_TITLE[contradiction.strength]
    )


def _own(name: str) -> str:
    return f"type {name}"


def _names(document_type: DocumentType) -> tuple[str, str]:
    return document_type.title, document_type.name.replace("_", " ")


def _for_title(title: Title) -> float:
    weight = FOR_TITLE[title.strength]
    if title.strength is Strength.REFERENCE and title.line < FIRST_LINES:
        return FOR_FIRST_REFERENCE
    return weight if title.line < TITLE_LINES else min(weight, FOR_LATE_TITLE)


def _for_label(words: tuple[str, ...], known: DocumentField) -> float:
    weight = FOR_LABEL if len(words) == 1 else FOR_LONG_LABEL
    if words in word_list(LABELS_OF_ANY_FORM):
        weight = FOR_USUAL_LABEL
    return weight if known.required else weight * OPTIONAL_SHARE


def _label_words(cell: Cell) -> Iterable[tuple[str, ...]]:
    """The words of a cell that may be a label: at its beginning, and before and after each colon."""
    if len(cell.words) <= 12 or cell.labels_end:
        for start in (0, *cell.labels_end):
            for length in range(1, MAX_LABEL_WORDS + 1):
                yield cell.words[start : start + length]
    for end in cell.labels_end:
        for length in range(1, MAX_LABEL_WORDS + 1):
            if end - length >= 0:
                yield cell.words[end - length : end]


def _contradiction(titles: Sequence[Title], kinds: frozenset[str], first_amounts: int) -> Title | None:
    """The title of another kind that stands out more than any of the type's own.

    A plain title of the type's own is contradicted by nothing: an invoice may carry the note of its delivery. Above a
    column "Invoice", "Statement of account" does contradict: no invoice carries one. It and "Pro forma" do so below the
    title "Invoice" too, and below a long letterhead, up to the first amounts.
    """
    own = [title for title in titles if title.kinds & kinds]
    strongest = max((title.strength for title in own), default=None)
    first = min((title.line for title in own if title.strength > Strength.REFERENCE), default=TITLE_LINES)
    for title in sorted(titles, key=lambda title: (-title.strength, title.line)):
        if title.kinds & kinds or title.strength is Strength.REFERENCE:
            continue
        if is_telling(title, kinds) and title.line < max(TITLE_LINES, first_amounts):
            return title
        if title.line >= TITLE_LINES:
            continue
        if strongest is None:
            return title
        is_as_plain = title.strength >= strongest if is_unreferred(title.kinds) else title.strength > strongest
        if is_as_plain and title.line < first:
            return title
    return None


def _count(phrases: Iterable[str], folded: str) -> int:
    """How many of the phrases stand in the text; long ones also where their words are joined or parted."""
    glued = folded.replace(" ", "")
    return sum(f" {phrase} " in folded or _is_glued(phrase, glued) for phrase in phrases)


def _is_glued(phrase: str, glued: str) -> bool:
    return len(phrase) >= LONG and phrase.replace(" ", "") in glued


def _saturated(weight: float, bound: float) -> float:
    """Evidence that is not independent adds up to less than its sum, and never to more than `bound`."""
    return bound * (1 - math.exp(-weight / bound))
