"""Every error that Winnow raises on purpose. One root; each leaf has a stable kind, a remedy and a retry.

A leaf's constructor takes data and writes the message: what happened, to what, and what to do next. Retry decisions
read `retry` and nothing else. docs/errors.md is generated from this module.
"""

from typing import ClassVar

from blocks.records import Failure, Retry, Stage

AGAIN = "then run with --rerun failed"
"""A limit is in no fingerprint: a document that met one is not read again because the limit is another now."""


class WinnowError(Exception):
    """The root. `kind` names the error for good; `retry` says when another attempt is worth it."""

    kind: ClassVar[str] = "error"
    retry: ClassVar[Retry] = Retry.NEVER

    def failure(self, stage: Stage) -> Failure:
        """This error as a document's failure in `stage`."""
        return Failure(stage=stage, kind=self.kind, message=str(self), retry=self.retry)


class DocumentError(WinnowError):
    """One document cannot be handled. It costs that document and nothing else."""


class UsageError(WinnowError):
    """The command or the configuration asks for something that cannot be. Exit code 2."""

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
    """A row of a table whose rows are documents cannot be told for certain; the other rows are taken."""

    kind = "row_broken"

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; correct the table, then run again")


class TooManyParts(DocumentError):
    """A mail holds more attachments, or mails within mails, than can be opened."""

    kind = "too_many_parts"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"it holds {what} beyond the limit of {limit:,}; save the attachments and run on them")


class UnsupportedMediaType(DocumentError):
    """Winnow does not read this kind of file."""

    kind = "unsupported_media_type"

    def __init__(self, media_type: str) -> None:
        super().__init__(f"{media_type} is not read; convert it to PDF, an image, docx, html, eml, csv or text")


class SourceChanged(DocumentError):
    """The bytes at the source are no longer those that were discovered, or are gone, be it for a time."""

    kind = "source_changed"
    retry = Retry.NEXT_RUN

    def __init__(self, uri: str, how: str) -> None:
        super().__init__(
            f"{uri} {how} since it was discovered; see that the place can be reached, then run again on it: "
            "what is there then is taken"
        )


class OcrUnavailable(DocumentError):
    """Pages need OCR and no engine, or not its language, is installed. The document goes to review meanwhile."""

    kind = "ocr_unavailable"
    retry = Retry.NEXT_RUN

    def __init__(self, why: str) -> None:
        super().__init__(
            f"pages without text were not read: {why}; install tesseract (see winnow doctor), then run again"
        )


class ProcessUnavailable(DocumentError):
    """The machine gives no process to read the document in. The document is sound: another attempt is worth it."""

    kind = "process_unavailable"
    retry = Retry.NOW

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(
            f"no process could be had to read it ({cause}); see that the machine has memory and processes to spare, "
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

    def __init__(self, exception: str) -> None:
        super().__init__(f"a defect in Winnow: {exception}; please report it with this document's id")


class Quarantined(DocumentError):
    """The worker died time and again while it worked on this document."""

    kind = "quarantined"

    def __init__(self, attempts: int) -> None:
        super().__init__(
            f"the worker died {attempts} times on this document alone; look at it, then winnow run --rerun failed"
        )


class Unfinished(DocumentError):
    """A stage ended without saying anything of the document: its worker died, or was stopped."""

    kind = "unfinished"
    retry = Retry.NEXT_RUN

    def __init__(self, stage: Stage) -> None:
        super().__init__(f"{stage} was stopped before it had an outcome for this document; run again to take it up")


class ChunkIncomplete(WinnowError):
    """Some documents of a chunk are worth another attempt now; the finished ones are stored and will be skipped."""

    kind = "chunk_incomplete"
    retry = Retry.NOW

    def __init__(self, stage: Stage, remaining: int) -> None:
        super().__init__(f"{stage}: {remaining} documents of the chunk are to be tried again")


class RunInterrupted(RunError):
    """Somebody stopped the run. What was finished is stored; the same command goes on from there."""

    kind = "interrupted"

    def __init__(self) -> None:
        super().__init__("the run was stopped; run the same command again and it goes on where it stopped")


class SettingInvalid(UsageError):
    """A variable of the environment, or an option, has a value that its setting cannot have."""

    kind = "setting_invalid"

    def __init__(self, variable: str, value: str, why: str) -> None:
        super().__init__(f"{variable} is {value!r}: {why}; see docs/settings.md")


class SourceMissing(UsageError):
    """A source names nothing."""

    kind = "source_missing"

    def __init__(self, source: str) -> None:
        super().__init__(f"{source} does not exist; give a file, a folder, a glob or a URL that fsspec reads")


class SourceNotAFile(UsageError):
    """A source names a pipe, a socket or a device, which may never end and cannot be read twice."""

    kind = "source_not_a_file"

    def __init__(self, source: str) -> None:
        super().__init__(f"{source} is neither a file nor a folder; write what it gives to a file, and name that")


class SourceEmpty(UsageError):
    """The sources hold no file."""

    kind = "source_empty"

    def __init__(self, sources: tuple[str, ...]) -> None:
        super().__init__(f"no file in {', '.join(sources)}; hidden files are left out")


class DocumentTypeUnknown(UsageError):
    """A document type was named that no folder defines."""

    kind = "document_type_unknown"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no document type is called {name!r}; there are: {', '.join(known) or 'none'}")


class RunUnknown(UsageError):
    """A run was named by an id, or the first letters of one, that no run has, or that several have."""

    kind = "run_unknown"

    def __init__(self, letters: str, *, newest: tuple[str, ...] = (), several: tuple[str, ...] = ()) -> None:
        super().__init__(
            f"several runs have an id that begins with {letters!r}: {', '.join(several)}; give more of it"
            if several
            else f"no run has an id that begins with {letters!r}; the newest are: {', '.join(newest) or 'none'}"
        )


class DocumentUnknown(UsageError):
    """A document was named by an id, or the first letters of one, that no document has."""

    kind = "document_unknown"

    def __init__(self, letters: str) -> None:
        super().__init__(
            f"no document has an id that begins with {letters!r}; winnow results --format json lists the ids"
        )


class ExpectationInvalid(UsageError):
    """An expectation of a document type that Great Expectations does not know, or whose arguments it refuses."""

    kind = "expectation_invalid"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the expectation {name} cannot be used: {why}; correct expectations.yaml")


class DocumentTypeInvalid(UsageError):
    """The folder of document types holds mistakes. `problems` has one text each: file, line and what to do."""

    kind = "document_type_invalid"

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"the document types have {count}; correct them, then run winnow types check:{lines}")


class DatabaseUnreachable(RunError):
    """The database does not answer, or cannot be written."""

    kind = "database_unreachable"

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"the database {url} cannot be used: {cause}; check WINNOW_DATABASE_URL or --database")


class DatabaseNewer(RunError):
    """The database was written by a newer Winnow."""

    kind = "database_newer"

    def __init__(self, url: str, revision: str) -> None:
        super().__init__(
            f"the database {url} is at revision {revision}, which this Winnow does not know; update Winnow"
        )


class ViewInUse(RunError):
    """A view of a document type must be made anew, and something of somebody else's depends on it."""

    kind = "view_in_use"

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"the view {name} cannot be made anew ({cause}); drop what depends on it, then run again")


class PrefectUnreachable(RunError):
    """The Prefect server does not answer."""

    kind = "prefect_unreachable"

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(
            f"the Prefect server at {url} does not answer ({cause}); check PREFECT_API_URL, or unset it and "
            "Winnow starts one on this machine"
        )
