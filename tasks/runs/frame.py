"""What each stage does in the same way: digests for fingerprints, and failures of single documents."""

import hashlib

from blocks.errors import StageCrashed, WinnowError
from blocks.records import Document, Outcome, Stage


def digest_of(*parts: str) -> str:
    """SHA-256 over the parts, a line each."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def failed(stage: Stage, document: Document, error: Exception, duration_ms: int = 0) -> Outcome:
    """The outcome of a document that a stage failed on.

    An error that is not one of ours is a defect: it costs this document and no other. `run_stage` logs its stack.
    """
    if isinstance(error, WinnowError):
        return Outcome(document.document_id, failure=error.failure(stage), duration_ms=duration_ms)
    failure = StageCrashed(error).failure(stage)
    return Outcome(document.document_id, failure=failure, duration_ms=duration_ms, defect=error)
