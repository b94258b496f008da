"""The last stage: each document of a chunk becomes a result, a review item or a failure, in one transaction."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from blocks import progress
from blocks.database.engine import Database, database_id, now
from blocks.database.outages import survives_outages
from blocks.database.pipeline import claims, documents, failures, leases, runs, stage_outputs
from blocks.database.pipeline.chunk_state import FAILED, PROVISIONAL, USABLE, ChainLink
from blocks.database.pipeline.claims import Worker
from blocks.database.pipeline.failures import FailedDocument
from blocks.database.results import results
from blocks.database.results.results import CurrentResult, NewResult
from blocks.database.review import items
from blocks.database.review.failure_needs import known_types, needs_of_failures
from blocks.document_types.schema import DocumentType
from blocks.errors import StageCrashed, Unfinished
from blocks.records import OUTPUT_STAGES, Failure, Retry, Stage, Status, Validation
from blocks.telemetry.document_spans import DocumentSpans
from blocks.telemetry.telemetry import TELEMETRY
from tasks.runs.chunk import DEFECT, StageCounts
from tasks.store.needs import needs_of_results

STORE_VERSION = "2"
REOPENED = "reopened"
"""The reason of a result that replaced a decision; it stays in review until a person decides again."""

log = logging.getLogger(__name__)

Chain = Mapping[Stage, ChainLink]
"""The current output of each stage that has one, of one document."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What to write for one document. `settled_as` is None while a later run has work to do on it.

    `reopens`: it replaces what a person decided.
    """

    outcome: str
    settled_as: str | None
    failure: FailedDocument | None = None
    result: NewResult | None = None
    reopens: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """The run that stores, when it began, and whether it replaces decisions."""

    run_id: str
    started_at: datetime | None
    reopen: bool


@survives_outages
def store_chunk(
    database: Database,
    worker: Worker,
    chunk: Sequence[str],
    pipeline_digest: str,
    types: Mapping[str, DocumentType],
    *,
    reopen: bool = False,
    taken_ns: int | None = None,
) -> StageCounts:
    """Write the chunk's results, review items, failures and outcomes in one transaction.

    To store twice changes nothing. A person's decision stays the current result, with its review item; the run's result
    is added beside it. With `reopen`, the run's result replaces it, and goes to review until a person decides again.
    `unchanged` counts documents with nothing new. Documents that another live worker has claimed
    are left to it, and named in the counts. `taken_ns`, when the chunk was taken, begins the spans of its documents.
    Raises `LeaseLost` if the worker's lease was closed.
    """
    stored_at, run_id, salt = now(), worker.run_id, database_id(database)
    started_ns = time.time_ns()
    with database.write() as connection:
        leases.check_lease(connection, worker.worker_id)
        documents.lock_documents(database, connection, chunk)
        claims.release_leftovers(database, connection, worker, chunk)
        chains = stage_outputs.load_chains(connection, chunk)
        claimed = claims.claimed_in_chains(connection, worker, chains)
        document_ids = [id_ for id_ in chunk if id_ not in claimed]
        current = results.current_results(connection, document_ids)
        asked = _Asked(run_id, runs.started_at(connection, run_id), reopen)
        news = [id_ for id_ in document_ids if _has_news(chains.get(id_, {}), current.get(id_), asked)]
        payloads = stage_outputs.load_payloads(connection, Stage.VALIDATE, news)
        verdicts = {
            id_: _guarded(
                id_,
                partial(_verdict, id_, chains.get(id_, {}), current.get(id_), payloads.get(id_), asked),
            )
            for id_ in document_ids
        }

        reopened = [id_ for id_, verdict in verdicts.items() if verdict.reopens]
        results.replace_decisions(connection, reopened)
        new = [verdict.result for verdict in verdicts.values() if verdict.result is not None]
        results.write_results(database, connection, run_id, new, stored_at)
        failed = [verdict.failure for verdict in verdicts.values() if verdict.failure is not None]
        failures.record_failures(database, connection, run_id, failed, stored_at)
        failing = {failure.document_id: failure.failure.stage.value for failure in failed}
        failures.resolve_failures(connection, {id_: failing.get(id_) for id_ in document_ids}, stored_at)
        documents.settle(connection, pipeline_digest, {id_: v.settled_as for id_, v in verdicts.items()})
        runs.set_outcomes(connection, run_id, {id_: v.outcome for id_, v in verdicts.items()})
        needs, settled = needs_of_results([result for result in new if result.is_current], types, salt)
        undecided = [f for f in failed if f.document_id not in current or f.document_id in reopened]
        ids = [failure.document_id for failure in undecided]
        has_type = [id_ for id_ in ids if Stage.CLASSIFY in chains.get(id_, {})]
        classified = stage_outputs.load_payloads(connection, Stage.CLASSIFY, has_type)
        needs += needs_of_failures(undecided, known_types(connection, ids, classified))
        items.sync_review(database, connection, run_id, needs, settled, stored_at, reopened)
    unchanged = sum(verdict.outcome == documents.SKIPPED for verdict in verdicts.values())
    progress.report(run_id, Stage.STORE, len(verdicts))
    if TELEMETRY.spans is not None:
        ended = {id_: verdict.outcome for id_, verdict in verdicts.items()}
        because = {failure.document_id: failure.failure for failure in failed}
        DocumentSpans(TELEMETRY.spans, run_id).stored(ended, because, taken_ns or started_ns, started_ns)
    return StageCounts(
        done=len(verdicts) - unchanged - len(failed),
        failed=len(failed),
        unchanged=unchanged,
        claimed=tuple(sorted(claimed)),
    )


def _has_news(chain: Chain, current: CurrentResult | None, asked: _Asked) -> bool:
    """Whether the current result was made from another validate output than today's, or is to be replaced by it."""
    link = chain.get(Stage.VALIDATE)
    if link is None or link.state not in USABLE or current is None:
        return link is not None
    if current.decided_by is not None:
        return asked.reopen or (link.fingerprint != current.fingerprint and link.run_id == asked.run_id)
    is_made_from_link = link.fingerprint == current.fingerprint and current.provisional == _is_provisional(chain)
    is_rewritten = link.run_id == asked.run_id != current.run_id
    return is_rewritten or not is_made_from_link


def _guarded(document_id: str, decide: Callable[[], _Verdict]) -> _Verdict:
    """The verdict, or the failure of the document: a defect costs only the document that causes it."""
    try:
        return decide()
    except Exception as error:
        log.error(DEFECT, Stage.STORE, document_id, exc_info=error)
        failure = StageCrashed(f"{type(error).__name__}: {error}").failure(Stage.STORE)
        return _Verdict(documents.FAILED, documents.FAILED, FailedDocument(document_id, failure, attempts=1))


def _verdict(
    document_id: str,
    chain: Chain,
    current: CurrentResult | None,
    payload: bytes | None,
    asked: _Asked,
) -> _Verdict:
    failure = _failure(chain)
    has_decision = current is not None and current.decided_by is not None
    is_decided = has_decision and not asked.reopen
    if failure is not None and failure.retry is Retry.NEVER and current is not None and is_decided:
        return _Verdict(documents.SKIPPED, current.status)
    if failure is not None:
        failed = FailedDocument(document_id, failure, chain[failure.stage].attempts if failure.stage in chain else 0)
        is_final = failure.retry is Retry.NEVER
        settled_as = documents.FAILED if is_final else None
        return _Verdict(documents.FAILED, settled_as, failed, reopens=has_decision and is_final)
    link, is_provisional = chain[Stage.VALIDATE], _is_provisional(chain)
    if payload is None:
        if current is None:
            raise ValueError(f"document {document_id} has a usable validate output without a payload")
        is_unchanged = current.run_id != asked.run_id if current.decided_by is None else link.run_id != asked.run_id
        # A result that another run made after this run started is not unchanged.
        is_unchanged = is_unchanged and (asked.started_at is None or current.created_at < asked.started_at)
        outcome = documents.SKIPPED if is_unchanged else current.status
        return _Verdict(outcome, None if is_provisional else current.status)
    validation = _with_provisional_reasons(Validation.model_validate_json(payload), chain)
    reopens = has_decision and not is_decided
    if reopens or (current is not None and not has_decision and REOPENED in current.reasons):
        validation = _reopened(validation)
    result = NewResult(document_id, link.fingerprint, validation, is_provisional, is_current=not is_decided)
    outcome = current.status if current is not None and is_decided else validation.status.value
    return _Verdict(outcome, None if is_provisional else outcome, result=result, reopens=reopens)


def _failure(chain: Chain) -> Failure | None:
    """The failure of the first stage without a usable output; None if all stages have one."""
    for stage in OUTPUT_STAGES:
        link = chain.get(stage)
        if link is None or link.state not in USABLE:
            if link is None or link.state != FAILED:
                return Unfinished(stage).failure(stage)
            kind, message, retry = str(link.failure_kind), str(link.failure_message), Retry(str(link.retry))
            return Failure(stage=stage, kind=kind, message=message, retry=retry)
    return None


def _is_provisional(chain: Chain) -> bool:
    return any(link.state == PROVISIONAL for link in chain.values())


def _with_provisional_reasons(validation: Validation, chain: Chain) -> Validation:
    """The validation with a reason for each provisional output, which sends the document to review."""
    kinds = [str(link.failure_kind) for link in chain.values() if link.state == PROVISIONAL]
    missing = tuple(kind for kind in dict.fromkeys(kinds) if kind not in validation.reasons)
    if not kinds:
        return validation
    status = Status.IN_REVIEW if validation.status is Status.ACCEPTED else validation.status
    return validation.model_copy(update={"reasons": (*validation.reasons, *missing), "status": status})


def _reopened(validation: Validation) -> Validation:
    return validation.model_copy(update={"reasons": (*validation.reasons, REOPENED), "status": Status.IN_REVIEW})
