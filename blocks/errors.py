"""Every error that Winnow raises on purpose. Each leaf has a stable kind, a remedy and a retry.

A leaf's constructor takes data and writes the message: what happened, to what, and what to do next. Retry decisions
read only `retry`. docs/errors.md is generated from this module.
"""

from collections.abc import Collection
from typing import ClassVar

from blocks.records import Failure, Retry, Stage
from blocks.secret_url import redacted

AGAIN = "then run with --rerun failed"
"""Limits are in no fingerprint: a document that exceeded a limit is read again only on request."""


class WinnowError(Exception):
    """The root. `kind` is the error's stable name; `retry` says when another attempt is worth it.

    Its message shows no secret of a URL.
    """

    kind: ClassVar[str] = "error"
    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(self, message: str = "") -> None:
        super().__init__(redacted(message))

    def failure(self, stage: Stage) -> Failure:
        """This error as a document's failure in `stage`."""
        return Failure(stage=stage, kind=self.kind, message=str(self), retry=self.retry)


class DocumentError(WinnowError):
    """One document cannot be processed. Other documents are unaffected."""


class UsageError(WinnowError):
    """The command or the configuration asks for something impossible. Exit code 2."""

    kind = "usage"


class RunError(WinnowError):
    """The run as a whole cannot go on. Exit code 1."""

    kind = "run_failed"


class Encrypted(DocumentError):
    """The document needs a password that was not given."""

    kind = "encrypted"

    def __init__(self, tried: int) -> None:
        tried_text = f"none of the {tried} given passwords opens it" if tried else "no password was given"
        super().__init__(f"the document is encrypted and {tried_text}; add one to WINNOW_PASSWORDS and run again")


class Corrupt(DocumentError):
    """No engine can open the document."""

    kind = "corrupt"

    def __init__(self, media_type: str, cause: str) -> None:
        super().__init__(f"no engine could open this {media_type}: {cause}; ask the sender for a fresh copy")


class Empty(DocumentError):
    """The document has no bytes, no pages or nothing on any page."""

    kind = "empty"

    def __init__(self, what: str) -> None:
        super().__init__(f"the document is empty: {what}; ask the sender for a fresh copy")


class TimedOut(DocumentError):
    """The document took longer than its limit allows."""

    kind = "timed_out"

    def __init__(self, limit_s: float, setting: str = "WINNOW_DOCUMENT_TIMEOUT_S") -> None:
        super().__init__(f"reading took longer than {limit_s:g} s and was stopped; raise {setting}, {AGAIN}")


class OutOfMemory(DocumentError):
    """The document needed more memory than its limit allows."""

    kind = "out_of_memory"

    def __init__(self, limit_mb: int) -> None:
        super().__init__(
            f"reading needed more than {limit_mb} MB and was stopped; raise WINNOW_MEMORY_LIMIT_MB, {AGAIN}"
        )


class Crashed(DocumentError):
    """The process that read the document died."""

    kind = "crashed"

    def __init__(self, how: str) -> None:
        super().__init__(
            f"the process that read it died ({how}); other documents are unaffected; open the file by hand"
        )


class TooLarge(DocumentError):
    """The document, one of its images or its text is larger than its limit allows."""

    kind = "too_large"

    def __init__(self, what: str, size: int, limit: int, setting: str) -> None:
        super().__init__(f"{what} is {size:,}, more than the limit of {limit:,}; raise {setting}, {AGAIN}")


class TooManyPages(DocumentError):
    """The document has more pages than its limit allows."""

    kind = "too_many_pages"

    def __init__(self, pages: int, limit: int) -> None:
        super().__init__(
            f"it has {pages:,} pages, more than the limit of {limit:,}; raise WINNOW_MAX_PAGES or split it, {AGAIN}"
        )


class RowsColumnMissing(DocumentError):
    """A table whose rows are to be documents has no such column."""

    kind = "rows_column_missing"

    def __init__(self, column: str, columns: tuple[str, ...]) -> None:
        super().__init__(
            f"the table has no column {column!r}; it has: {', '.join(columns) or 'none'}; name one of them"
        )


class RowBroken(DocumentError):
    """A row of a table whose rows are documents cannot be read with certainty. The other rows are processed."""

    kind = "row_broken"

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; correct the table, then run again")


class TooManyParts(DocumentError):
    """A container has more parts, or more containers within containers, than Winnow opens."""

    kind = "too_many_parts"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"it has {what} beyond the limit of {limit:,}; save its files and run on them")


class UnsupportedMediaType(DocumentError):
    """Winnow does not read this kind of file."""

    kind = "unsupported_media_type"

    def __init__(self, media_type: str, through: str = "") -> None:
        remedy = f" without {through}; install it, {AGAIN}, or" if through else ";"
        super().__init__(f"{media_type} is not read{remedy} convert it to PDF, an image or text")


class SourceChanged(DocumentError):
    """The bytes at the source have changed since they were discovered, or are gone, perhaps for a time."""

    kind = "source_changed"
    retry = Retry.NEXT_RUN

    def __init__(self, uri: str, how: str) -> None:
        super().__init__(
            f"{uri} {how} since it was discovered; check that the place can be reached, then run again on it"
        )


class OcrUnavailable(DocumentError):
    """Pages need OCR, and no engine or none of the languages is installed. The document goes to review meanwhile."""

    kind = "ocr_unavailable"
    retry = Retry.NEXT_RUN

    def __init__(self, why: str) -> None:
        super().__init__(
            f"pages without text were not read: {why}; install tesseract (see winnow doctor), then run again"
        )


class ProcessUnavailable(DocumentError):
    """The machine gives no process to read the document. This is not the document's fault, so it is tried again."""

    kind = "process_unavailable"
    retry = Retry.NOW

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(
            f"no process was available to read it ({cause}); check that the machine has free memory and processes, "
            "then run again"
        )


class UnreadableSource(DocumentError):
    """A file or a folder of the source was listed but cannot be read."""

    kind = "unreadable_source"
    retry = Retry.NEXT_RUN

    def __init__(self, uri: str, cause: str) -> None:
        self.uri = uri
        super().__init__(f"{uri} cannot be read ({cause}); check its permissions, then run again")


class StageCrashed(DocumentError):
    """Our own code failed on this document: a defect of Winnow. It costs this document and no other."""

    kind = "internal"
    retry = Retry.NEXT_RUN  # a newer Winnow may have the defect mended

    def __init__(self, exception: str) -> None:
        super().__init__(f"a defect in Winnow: {exception}; its stack is in the run's log: please report both")


class Quarantined(DocumentError):
    """The worker died again and again while it worked on this document."""

    kind = "quarantined"

    def __init__(self, attempts: int) -> None:
        super().__init__(
            f"the worker died {attempts} times on this document alone; look at it, then winnow run --rerun failed"
        )


class Unfinished(DocumentError):
    """A stage ended without an outcome for the document: its worker died or was stopped."""

    kind = "unfinished"
    retry = Retry.NEXT_RUN

    def __init__(self, stage: Stage) -> None:
        super().__init__(f"{stage} was stopped before it had an outcome for this document; run again to process it")


class ChunkIncomplete(WinnowError):
    """Some documents of a chunk are worth another attempt now. The others are stored, and the attempt skips them.

    `claimed` are left to other workers for now.
    """

    kind = "chunk_incomplete"
    retry = Retry.NOW

    def __init__(self, stage: Stage, remaining: int, claimed: Collection[str] = ()) -> None:
        self.claimed = tuple(claimed)
        super().__init__(f"{stage}: {remaining} documents of the chunk will be tried again")


class RunInterrupted(RunError):
    """Somebody stopped the run. Finished work is stored; the same command continues from there."""

    kind = "interrupted"

    def __init__(self) -> None:
        super().__init__("the run was stopped; the same command continues where it stopped")


class SettingInvalid(UsageError):
    """An environment variable or an option has a value that its setting cannot have."""

    kind = "setting_invalid"

    def __init__(self, variable: str, value: str, why: str) -> None:
        super().__init__(f"{variable} is {value!r}: {why}; see docs/settings.md")


class SourceMissing(UsageError):
    """A source does not exist."""

    kind = "source_missing"

    def __init__(self, source: str) -> None:
        super().__init__(f"{source} does not exist; give a file, a folder, a glob or a URL that fsspec reads")


class SourceNotAFile(UsageError):
    """A source is a pipe, a socket or a device, which may never end and cannot be read twice."""

    kind = "source_not_a_file"

    def __init__(self, source: str) -> None:
        super().__init__(f"{source} is neither a file nor a folder; write its content to a file, and name the file")


class SourceEmpty(UsageError):
    """The sources contain no file."""

    kind = "source_empty"

    def __init__(self, sources: tuple[str, ...]) -> None:
        super().__init__(f"no file in {', '.join(sources)}; hidden files do not count, unless you name them")


class DocumentTypeUnknown(UsageError):
    """No folder defines a document type of this name."""

    kind = "document_type_unknown"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no document type is called {name!r}; there are: {', '.join(known) or 'none'}")


class RunUnknown(UsageError):
    """No run has an id that begins with these letters, or several runs have one."""

    kind = "run_unknown"

    def __init__(self, letters: str, *, newest: tuple[str, ...] = (), several: tuple[str, ...] = ()) -> None:
        super().__init__(
            f"several runs have an id that begins with {letters!r}: {', '.join(several)}; give more of it"
            if several
            else f"no run has an id that begins with {letters!r}; the newest are: {', '.join(newest) or 'none'}"
        )


class DocumentUnknown(UsageError):
    """No document has an id that begins with these letters."""

    kind = "document_unknown"

    def __init__(self, letters: str) -> None:
        super().__init__(
            f"no document has an id that begins with {letters!r}; winnow results --format json lists the ids"
        )


class ExpectationInvalid(UsageError):
    """Great Expectations does not know an expectation of a document type, or refuses its arguments."""

    kind = "expectation_invalid"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the expectation {name} cannot be used: {why}; correct expectations.yaml")


class DocumentTypeInvalid(UsageError):
    """The document types have mistakes. `problems` has a text for each: file, line and what to do."""

    kind = "document_type_invalid"

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"the document types have {count}; correct them, then run winnow types check:{lines}")


class DatabaseUnreachable(RunError):
    """The database does not answer, or cannot be written to. A run waits for it, for WINNOW_DATABASE_OUTAGE_WAIT_S at
    most, if it may come back by itself (`may_pass`)."""

    kind = "database_unreachable"
    may_pass = False

    def __init__(self, url: str, cause: str, *, is_of_block: bool = False, may_pass: bool = False) -> None:
        self.url, self.cause, self.may_pass = url, cause, may_pass
        super().__init__(
            f"the database {url} cannot be used: {cause}; "
            + (
                "another process holds it, maybe a stopped one: let it go on or end it"
                if "database is locked" in cause  # by SQLite
                else "check the Prefect block winnow-database"
                if is_of_block
                else "check WINNOW_DATABASE_URL or --database"
            )
        )


class DiskFull(RunError):
    """A disk is full. The run ends at once; what it has finished is stored."""

    kind = "disk_full"

    def __init__(self, where: str, cause: str) -> None:
        super().__init__(f"the disk of {where} is full ({cause}); free some space, then run again: it goes on")


class PrefectUnreachable(RunError):
    """The Prefect server does not answer."""

    kind = "prefect_unreachable"

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(
            f"the Prefect server at {url} does not answer ({cause}); check PREFECT_API_URL, or unset it: "
            "Winnow then starts a local server"
        )
