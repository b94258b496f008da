"""What all stages share: digests for fingerprints, and failures of single documents."""

import hashlib

from blocks.errors import StageCrashed, WinnowError
from blocks.records import Document, Outcome, Stage


def digest_of(*parts: str) -> str:
    """SHA-256 over the parts, a line each."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def failed(stage: Stage, document: Document, error: Exception, duration_ms: int = 0) -> Outcome:
    """The outcome of a document that a stage failed on.

    An exception that is no WinnowError is a defect, be it raised here or in an isolated process. `run_stage` logs its
    stack.
    """
    expected = error if isinstance(error, WinnowError) else StageCrashed(f"{type(error).__name__}: {error}")
    defect = error if isinstance(expected, StageCrashed) else None
    return Outcome(document.document_id, failure=expected.failure(stage), duration_ms=duration_ms, defect=defect)
