"""Errors of keeping and forgetting."""

from blocks.errors import UsageError


class SubjectTooShort(UsageError):
    """A subject that would be found nearly everywhere."""

    kind = "subject_too_short"

    def __init__(self, least: int) -> None:
        super().__init__(
            f"a subject needs {least} letters or digits at least; a shorter one is found nearly everywhere"
        )


class DocumentsInWork(UsageError):
    """Documents to erase that a live run works on: it would write them again."""

    kind = "documents_in_work"

    def __init__(self, documents: int, run_id: str) -> None:
        super().__init__(
            f"run {run_id} works on {documents:,} of these documents; erase them when it has ended, or cancel it"
        )
