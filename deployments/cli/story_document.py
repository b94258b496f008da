"""A document's story as lines of text."""

import json
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from blocks.database.review.history import CallOfDocument, History
from blocks.database.story.document import DocumentStory, ReviewOfDocument, ShownValue
from blocks.records import Stage
from blocks.review.history import Entry, Version, details, in_words
from blocks.review.records import ItemStatus
from deployments.cli.story_run import indented, labelled, local
from deployments.cli.words import aligned, counted, cut, moment, money, took, width

MAX_CALLS = 20
MAX_VERSIONS = 6


def document_lines(story: DocumentStory) -> list[str]:
    """All of a document, the latest state first."""
    history = story.history
    lines = [f"document {story.document_id}"]
    lines += labelled("state", [_state(story)])
    lines += labelled("because", story.reasons)
    lines += labelled("from", list(_origin(story)))
    lines += labelled("type", [_type(story)])
    lines += labelled("review", [_review(item) for item in story.reviews])
    lines += ["", *_stages(story)] if history.stages else []
    for failure in story.failures:
        since = "passed since" if failure.resolved_at else f"tried again: {failure.retry.replace('_', ' ')}"
        attempts = counted(failure.attempts, "attempt")
        lines += labelled("failed", [f"{failure.kind} in {failure.stage}, {attempts}, {since}: {failure.message}"])
    if history.calls:
        lines += ["", *_calls(history)]
    if history.hides_values:
        lines += ["", "The values are hidden: a blind audit of this document waits for a person."]
    elif story.fields:
        lines += ["", *_fields(story.fields)]
    if history.entries:
        lines += ["", "decisions", *(line for entry in history.entries for line in _entry(entry, history))]
    if history.version_count > 1:
        lines += ["", *_versions(history)]
    return lines


def _state(story: DocumentStory) -> str:
    if story.origin.erased_at:
        return f"erased at {moment(story.origin.erased_at)} UTC: nothing of it is kept but this"
    if story.status is None:
        return "no run has finished it yet"
    version = next((v for v in story.history.versions if v.is_current), None)
    if version is None or story.status == "failed":
        return story.status.replace("_", " ")
    who = f"decided by {version.decided_by}" if version.decided_by else None
    sure = None if story.confidence is None or version.decided_by else f"confidence {story.confidence:.2f}"
    score = None if version.score is None else f"score {version.score:g}"
    by = {"promise": "by a promise that labels prove", "unproven": "although its type's promise is not proven"}
    parts = [story.status.replace("_", " "), by.get(story.accepted_by or ""), who, sure, score]
    parts.append("provisional: the next run tries again" if version.provisional else None)
    return ", ".join(part for part in parts if part)


def _origin(story: DocumentStory) -> Iterator[str]:
    origin = story.origin
    yield from (local(uri) for uri in story.history.uris if uri)
    if origin.parent_id:
        yield f"{origin.part} of {local(origin.parent_uri or origin.parent_id)}"
    pages = "" if story.pages is None else f", {counted(story.pages, 'page')}"
    yield f"{origin.media_type}{pages}, {origin.size_bytes:,} bytes, first seen {moment(origin.first_seen_at)} UTC"


def _type(story: DocumentStory) -> str:
    if story.origin.erased_at:
        return "erased"
    if story.type is None:
        given = story.origin.given_type
        return f"{given}, as the run was labelled" if given else "not known: classify has not read it"
    found = story.type
    how = (
        "a person decided it"
        if story.origin.is_type_decided
        else f"by {found.method}, probability {found.confidence:.2f}"
    )
    return f"{found.document_type}, {how}" + (f"; against it: {found.remark}" if found.remark else "")


def _review(item: ReviewOfDocument) -> str:
    if item.status != ItemStatus.OPEN:
        return f"item {item.review_id}: {item.status}" + (f" by {item.decided_by}" if item.decided_by else "")
    due = f", due {moment(item.due_at)} UTC" if item.due_at else ""
    return f"item {item.review_id} waits for a {item.role}{due}: winnow review show {item.review_id}"


def _stages(story: DocumentStory) -> list[str]:
    names = {run.run_id: run.name for run in story.history.runs}
    engines = {Stage.EXTRACT: story.engine or "", Stage.SCORE: story.history.read_by}
    if story.type is not None:
        engines[Stage.CLASSIFY] = story.type.method
    rows = [
        (
            stage.stage,
            stage.failure_kind or stage.state,
            str(stage.attempts),
            took(stage.duration_ms),
            names.get(stage.run_id, stage.run_id[:8]),
            engines.get(Stage(stage.stage), ""),
        )
        for stage in story.history.stages
    ]
    head = ("stage", "outcome", "attempts", "took", "run", "engine")
    return aligned(head, rows, left={"stage", "outcome", "run", "engine"})


def _calls(history: History) -> Iterator[str]:
    cost = f"${money(history.cost_usd)}"
    unconfirmed = f", up to ${money(history.unconfirmed_usd)} more unconfirmed" if history.unconfirmed_usd else ""
    shown = history.calls[-MAX_CALLS:]
    only = f"; the latest {len(shown)}:" if len(shown) < history.call_count else ""
    yield f"{counted(history.call_count, 'call')} of models, {cost}{unconfirmed}{only}"
    head = ("at (UTC)", "model", "step", "try", "outcome", "tokens", "took", "USD")
    left = {"at (UTC)", "model", "outcome"}
    yield from aligned(head, [_call(call) for call in shown], left=left, droppable=("at (UTC)",))
    last = next((call for call in reversed(shown) if call.examples), None)
    if last is not None:
        ids = ", ".join(id_[:12] for id_ in last.examples)
        yield f"{last.model} was shown {counted(len(last.examples), 'decided document')} last: {ids}"


def _call(call: CallOfDocument) -> tuple[str, ...]:
    tokens = f"{call.input_tokens:,}+{call.output_tokens:,}"
    return (
        moment(call.called_at),
        call.model,
        str(call.step + 1),
        str(call.attempt),
        call.outcome,
        tokens,
        took(call.latency_ms),
        money(call.cost_usd),
    )


def _fields(fields: Sequence[ShownValue]) -> Iterator[str]:
    yield "field (confidence): value, and the quote that it stands on"
    for field in fields:
        sure = "" if field.confidence is None or field.value is None else f" ({field.confidence:.2f})"
        yield cut(f"  {field.field}{sure}: {_shown(field.value)}", width())
        if field.quote and field.value is not None:
            yield cut(f"      page {field.page}: “{field.quote}”", width())
        if field.read_as_in:
            yield cut(f"      read as in {field.read_as_in}", width())


def _entry(entry: Entry, history: History) -> Iterator[str]:
    runs = {run.run_id: run.name for run in history.runs}
    who = entry.actor or (f"run {runs.get(entry.run_id, entry.run_id[:8])}" if entry.run_id else "the due time")
    yield cut(f"  {moment(entry.happened_at)}  {who} {in_words(entry)}", width())
    yield from (part for line in details(entry) for part in indented(line, 6))
    for change in entry.changes:
        yield cut(f"      {change.field}: {_shown(change.before)} → {_shown(change.after)}", width())


def _versions(history: History) -> Iterator[str]:
    """The versions side by side: their verdicts, and the fields that differ."""
    versions = history.versions[-MAX_VERSIONS:]
    runs = {run.run_id: run.name for run in history.runs}
    only = f" of {history.version_count}" if len(versions) < history.version_count else ""
    yield f"{len(versions)}{only} versions, the latest last; rows below the line are fields that differ"
    room = max((width() - 22) // len(versions) - 2, 8)
    head = ("", *(f"{number + 1}" for number in range(len(versions))))
    facts = [
        ("at (UTC)", [moment(version.created_at) for version in versions]),
        ("by", [version.decided_by or f"run {runs.get(version.run_id, version.run_id[:8])}" for version in versions]),
        ("type", [version.document_type for version in versions]),
        ("status", [_status(version) for version in versions]),
    ]
    names = dict.fromkeys(name for version in reversed(versions) for name in version.fields)
    for name in names:
        values = [_shown(version.fields.get(name)) if version.fields else "" for version in versions]
        if len(set(values)) > 1:
            facts.append((name, values))
    rows = [(cut(name, 20), *(cut(value, room) for value in values)) for name, values in facts]
    lines = aligned(head, rows, left=set(head))
    yield from lines[1:5]
    if lines[5:]:
        yield "-" * min(max(map(len, lines)), width())
        yield from lines[5:]


def _status(version: Version) -> str:
    sure = "" if version.confidence is None or version.decided_by else f" {version.confidence:.2f}"
    return f"{version.status.replace('_', ' ')}{sure}{' (current)' if version.is_current else ''}"


def _shown(value: JsonValue) -> str:
    match value:
        case None:
            return "–"
        case str():
            return " ".join(value.split())
        case list() if value and all(isinstance(item, dict) for item in value):
            return f"{counted(len(value), 'row')}, the first: {json.dumps(value[0], ensure_ascii=False)}"
        case list() if all(isinstance(item, str) for item in value):
            return ", ".join(map(str, value))
        case _:
            return json.dumps(value, ensure_ascii=False)
