"""Errors of keeping and forgetting."""

from pathlib import Path

from blocks.errors import RunError, UsageError


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


class BackupByPostgres(UsageError):
    """PostgreSQL brings its own tools for backups."""

    kind = "backup_by_postgres"

    def __init__(self) -> None:
        super().__init__(
            "back up a PostgreSQL database by its own tool: pg_dump --format=custom --file winnow.dump DATABASE"
        )


class BackupExists(UsageError):
    """The backup would overwrite a file."""

    kind = "backup_exists"

    def __init__(self, target: Path) -> None:
        super().__init__(f"{target} is there already; name a new file")


class BackupFailed(RunError):
    """The backup could not be written, or what was written is damaged."""

    kind = "backup_failed"

    def __init__(self, target: Path, cause: str) -> None:
        super().__init__(f"no backup was made at {target} ({cause}); the database is as it was")
