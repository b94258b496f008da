"""The history of a document: its results side by side, every event in words, the runs, the route, the calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Response
from pydantic import JsonValue

from blocks.database.review.history import History, RunOfDocument, load_history
from blocks.database.review.item_content import read_item
from blocks.document_types.schema import RouteStep
from blocks.records import StepTrace
from blocks.review import reasons
from blocks.review.history import Entry, Version, details, in_words, shown_s
from deployments.review_app import words
from deployments.review_app.call import Call
from deployments.review_app.filters import query_of


@dataclass(frozen=True, slots=True)
class Cell:
    """A field in a version. `rows` has the rows of a table; `is_new`: it differs from the version before."""

    text: str
    rows: tuple[Mapping[str, str], ...]
    confidence: float | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field over all versions. `is_changed`: some version differs from the one before."""

    name: str
    cells: tuple[Cell, ...]

    @property
    def is_changed(self) -> bool:
        """Whether the versions differ."""
        return any(cell.is_new for cell in self.cells)


@dataclass(frozen=True, slots=True)
class EntryView:
    """An event: who did what, when. `changes` are field, before, after."""

    entry: Entry
    who: str
    what: str
    details: tuple[str, ...]
    changes: tuple[tuple[str, str, str], ...]
    shown_s: float | None


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of the route and what came of it."""

    number: int
    who: str
    condition: str
    role: str
    outcome: str
    why: str


def item_history(call: Call) -> Response:
    """The history of an item's document."""
    item = read_item(call.site.database, int(call.path["id"]))
    return _page(call, item.document_id, item.review_id)


def document_history(call: Call) -> Response:
    """The history of a document, also of one that never needed a person."""
    return _page(call, str(call.path["document_id"]), None)


def _page(call: Call, document_id: str, review_id: int | None) -> Response:
    history = load_history(call.site.database, document_id, call.who.name)
    known = {run.run_id: run for run in history.runs}
    return call.page(
        "history.html",
        history=history,
        name=words.file_name(history.uris[0]) if history.uris else document_id[:12],
        review_id=review_id if review_id is not None else (history.items[-1].review_id if history.items else None),
        query=query_of(call.query),
        sentences={version.fingerprint: _sentences(version) for version in history.versions},
        rows=_rows(history.versions),
        entries=[_entry(entry, known) for entry in history.entries],
        run_names={run_id: run.name for run_id, run in known.items()},
        steps=_steps(history),
    )


def _sentences(version: Version) -> list[str]:
    return [reasons.sentence(reason) for reason in version.reasons]


def _rows(versions: Sequence[Version]) -> list[FieldRow]:
    """The fields by name in the order of the newest version; changed ones first."""
    names = list(dict.fromkeys(name for version in reversed(versions) for name in version.fields))
    rows = [FieldRow(name, tuple(_cells(name, versions))) for name in names]
    return sorted(rows, key=lambda row: not row.is_changed)


def _cells(name: str, versions: Sequence[Version]) -> list[Cell]:
    cells, before = [], None
    for version in versions:
        value = version.fields.get(name)
        is_new = before is not None and bool(version.fields) and before.fields.get(name) != value
        confidence = None if version.decided_by else version.confidences.get(name)
        cells.append(_cell(value, confidence, is_new))
        before = version if version.fields else before
    return cells


def _cell(value: JsonValue, confidence: float | None, is_new: bool) -> Cell:
    rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    shown = tuple({key: words.shown(cell) for key, cell in row.items()} for row in rows)
    return Cell("" if shown else words.shown(value), shown, confidence, is_new)


def _entry(entry: Entry, known: Mapping[str, RunOfDocument]) -> EntryView:
    if entry.actor is not None:
        who = entry.actor
    elif entry.run_id is not None:
        who = f"Run {known[entry.run_id].name}" if entry.run_id in known else "A run"
    else:
        who = "The due time"
    changes = tuple((change.field, _short(change.before), _short(change.after)) for change in entry.changes)
    return EntryView(entry, who, in_words(entry), details(entry), changes, shown_s(entry))


def _short(value: JsonValue) -> str:
    if isinstance(value, list) and any(isinstance(row, dict) for row in value):
        return f"{len(value)} rows"
    return words.shown(value) or "empty"


def _steps(history: History) -> list[StepView]:
    traces = {trace.step: trace for trace in history.trace}
    return [_step(number, step, traces.get(number)) for number, step in enumerate(history.route)]


def _step(number: int, step: RouteStep, trace: StepTrace | None) -> StepView:
    who = step.model or (f"any {step.tier} model" if step.tier else "")
    conditions = step.when.model_dump(mode="json", exclude_defaults=True)
    condition = "; ".join(f"{words.label(name)}: {words.shown(value)}" for name, value in conditions.items())
    outcome = "" if trace is None else trace.outcome
    if trace is not None and trace.model and trace.model != who:
        outcome = f"{outcome} ({trace.model})"
    return StepView(number, who, condition, step.role, outcome, "" if trace is None else trace.why)
