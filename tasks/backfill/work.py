"""Which stages a run would work for a document, by today's fingerprints. The stages themselves are asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from blocks.database.pipeline.chunk_state import DONE, FAILED, PROVISIONAL, STARTED, USABLE
from blocks.database.pipeline.planning import OutputKey, SelectedDocument
from blocks.records import OUTPUT_STAGES, Document, Rerun, Retry, Stage
from tasks.runs.chunk import StageWork

Works = Mapping[Stage, StageWork]


@dataclass(slots=True)
class DocumentWork:
    """The stages that run for a document: for certain, and those that run if an earlier stage changes its output."""

    certain: list[Stage] = field(default_factory=list)
    possible: list[Stage] = field(default_factory=list)


def work_of(selected: SelectedDocument, rows: Sequence[OutputKey], works: Works, rerun: Rerun) -> DocumentWork:
    """What a run would work for a document now.

    A stage that runs again is first taken to give the output that it gave before: what later stages do then is
    certain, and what they would do otherwise is possible. Nothing runs behind a stage that fails for good.
    """
    by_key: dict[tuple[str, str], OutputKey] = {}
    current: dict[str, OutputKey] = {}
    for row in rows:
        by_key[row.stage, row.fingerprint] = row
        if row.is_current:
            current[row.stage] = row
    digests: dict[Stage, str] = {}
    provisional: dict[Stage, str] = {}
    document = Document(
        document_id=selected.document_id,
        uri="",
        media_type=selected.media_type,
        size_bytes=0,
        given_type=selected.given_type,
        is_type_decided=selected.is_type_decided,
        document_type=selected.document_type,
        digests=digests,
        provisional=provisional,
    )
    work = DocumentWork()
    may_fail = may_differ = False
    for stage in OUTPUT_STAGES:
        earlier = current.get(stage)
        seen = document if earlier is None else replace(document, current=earlier.fingerprint)
        today = by_key.get((stage, works[stage].fingerprint(seen)))
        known = today or earlier
        if today is None or _is_due(today, rerun):
            (work.possible if may_fail else work.certain).append(stage)
            may_differ = True
            may_fail = may_fail or (known is not None and known.state == FAILED)
        elif today.state == FAILED:
            break
        elif may_differ:
            work.possible.append(stage)
        elif stage is Stage.CLASSIFY and not today.is_current:  # an older output comes back, maybe with another type
            may_differ = stage not in current or current[stage].digest != today.digest
        if known is not None and known.state in USABLE:
            digests[stage] = known.digest or ""
            if known.state == PROVISIONAL:
                provisional[stage] = known.detail or ""
    return work


def _is_due(row: OutputKey, rerun: Rerun) -> bool:
    """Whether a later run works a row again; see `ChunkState.to_do`. A document that killed workers counts as due."""
    if row.state == DONE:
        return rerun is Rerun.ALL
    if row.state in {PROVISIONAL, STARTED}:
        return True
    is_replayed = row.state == FAILED and rerun in {Rerun.FAILED, Rerun.ALL}
    return is_replayed or row.detail in {Retry.NOW, Retry.NEXT_RUN}
