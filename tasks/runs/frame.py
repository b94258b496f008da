"""What all stages share: digests for fingerprints, and failures of single documents."""

import errno
import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from blocks.errors import DiskFull, RunError, StageCrashed, WinnowError
from blocks.records import Document, Outcome, Stage

Result = TypeVar("Result")
Item = TypeVar("Item")


def digest_of(*parts: str) -> str:
    """SHA-256 over the parts, a line each."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def with_learnt(base: str, learned_ids: Collection[int], kept: str | None = None) -> str:
    """The fingerprint of an output that what was learnt under these ids decides too; `base` while nothing was.

    It is `kept`, that of an earlier output, where the two differ in what was learnt alone.
    """
    if kept is not None and kept.partition(".")[0] == base:
        return kept
    return f"{base}.{'-'.join(map(str, sorted(learned_ids)))}" if learned_ids else base


def failed(stage: Stage, document: Document, error: Exception) -> Outcome:
    """The outcome of a document that a stage failed on. Raises a `RunError` again: it concerns the run, no document.

    A full disk concerns the run too. Any other exception that is no WinnowError is a defect, be it raised here or in an
    isolated process. `run_stage` logs its stack.
    """
    if isinstance(error, RunError):
        raise error
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        raise DiskFull(str(error.filename or "this machine"), str(error.strerror)) from error
    expected = error if isinstance(error, WinnowError) else StageCrashed(f"{type(error).__name__}: {error}")
    defect = error if isinstance(expected, StageCrashed) else None
    return Outcome(document.document_id, failure=expected.failure(stage), defect=defect)


def guarded(stage: Stage, document: Document, work: Callable[[Document], Result]) -> Result | Outcome:
    """The result of `work`, or the failure of the document: an error costs only the document that causes it."""
    try:
        return work(document)
    except Exception as error:  # noqa: BLE001 - any defect becomes the document's failure
        return failed(stage, document, error)


def together(
    items: Sequence[Item],
    outcomes_of: Callable[[Sequence[Item]], list[Outcome]],
    failure_of: Callable[[Item, Exception], Outcome],
) -> list[Outcome]:
    """The outcomes of all items at once. If that fails, of each alone: an error costs only the item that causes it."""
    try:
        return outcomes_of(items)
    except RunError:
        raise
    except Exception as error:  # noqa: BLE001 - any defect becomes the failure of the document that causes it
        if len(items) == 1:
            return [failure_of(items[0], error)]
        return [outcome for item in items for outcome in together([item], outcomes_of, failure_of)]
