"""The extract stage: a chunk's documents read side by side, one outcome each."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version

from blocks.files import media_types
from blocks.files.sources import FetchPart, FetchParts, content_of
from blocks.records import Document, Outcome, Stage
from blocks.settings import Settings
from tasks.extract.conversion import CONVERTED
from tasks.extract.extract import Extractor, shared_extractor
from tasks.extract.formats import FORMATS, Format
from tasks.extract.ocr.engine import find_language_packs
from tasks.runs.frame import digest_of, guarded

EXTRACT_VERSION = 2
"""Raise it when every document may get another extraction; what a single reader changes is in the reader's own version.
See docs/decisions/fingerprints-and-versions.md."""
CHECK_EVERY_S = 0.5
SMALL_PART_BYTES = 50_000
"""Smaller parts of a chunk are fetched by one query; the larger ones, which take memory, one by one."""


class ExtractStage:
    """Reads documents. A run opens it once, for all its threads."""

    stage = Stage.EXTRACT
    reads: tuple[Stage, ...] = ()
    can_kill_worker = False  # parsers and OCR run in isolated processes

    def __init__(
        self,
        settings: Settings,
        fetch_part: FetchPart,
        extractor: Extractor | None = None,
        raise_if_stopped: Callable[[], None] = lambda: None,
        fetch_parts: FetchParts = lambda _ids: {},
    ) -> None:
        self._raise_if_stopped = raise_if_stopped
        self._settings = settings
        self._fetch_part, self._fetch_parts = fetch_part, fetch_parts
        self._extractor = extractor or shared_extractor(settings)
        self._by_media_type: dict[str, str] = {}

    @cached_property
    def configuration(self) -> str:
        """Digest of what decides every document's extraction beside its bytes, without limits and switches."""
        readers = {known.module: _decisive(known) for known in FORMATS.values()}
        return _digest({"version": EXTRACT_VERSION, "readers": readers, **self._ocr, "passwords": self._passwords})

    @cached_property
    def _passwords(self) -> str:
        """A slow hash: a fingerprint must not help to guess a password."""
        passwords = "\n".join(password.get_secret_value() for password in self._settings.passwords)
        if not passwords:
            return ""
        return hashlib.scrypt(passwords.encode(), salt=b"winnow extract", n=2**14, r=8, p=1).hex()

    @cached_property
    def _ocr(self) -> dict[str, object]:
        """The settings that decide how pages without text are read."""
        return {
            "languages": self._settings.ocr_languages,
            # If a pack is installed later, extractions without it become stale.
            "languages_missing": find_language_packs(self._settings.ocr_languages, self._settings.tessdata_dir).missing,
            "ocr_engine": self._settings.ocr_engine,
        }

    def basis(self, document_type: str) -> str:
        """The stage's configuration: no type changes how a document is extracted."""
        return self.configuration

    def fingerprint(self, document: Document) -> str:
        """Digest of the document's bytes (its id), its media type and what decides how that type is read."""
        return digest_of(document.document_id, self._decisive(document.media_type))

    def _decisive(self, media_type: str) -> str:
        """What decides how a media type is read: neither passwords nor OCR nor other readers matter to a text."""
        if media_type not in self._by_media_type:
            decisive: dict[str, object] = {"version": EXTRACT_VERSION}
            known = FORMATS.get(media_types.PDF if media_type in CONVERTED else media_type)
            if known is not None:
                decisive["reader"] = _decisive(known)
                decisive |= self._ocr if "ocr" in known.settings else {}
                decisive |= {"passwords": self._passwords} if "passwords" in known.settings else {}
            self._by_media_type[media_type] = f"{media_type}\n{_digest(decisive)}"
        return self._by_media_type[media_type]

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """One outcome per document, as soon as each is known. Raises `RunInterrupted` soon after a stop of the run."""
        small = [known.document_id for known in documents if known.parent_id and known.size_bytes <= SMALL_PART_BYTES]
        parts = self._fetch_parts(small) if small else {}
        # One thread more than processes fetches a document while the others wait for their parsers.
        threads = ThreadPoolExecutor(min(self._settings.processes + 1, max(1, len(documents))))
        waiting = {threads.submit(self._outcome, document, parts) for document in documents}
        try:
            while waiting:
                done, waiting = wait(waiting, CHECK_EVERY_S, FIRST_COMPLETED)
                self._raise_if_stopped()
                for future in done:
                    yield future.result()
        finally:  # a run that is stopped does not wait for documents that take long
            threads.shutdown(wait=not waiting, cancel_futures=True)

    def _outcome(self, document: Document, parts: Mapping[str, bytes]) -> Outcome:
        started = time.monotonic()
        outcome = guarded(self.stage, document, lambda document: self._read(document, parts))
        return replace(outcome, duration_ms=round((time.monotonic() - started) * 1_000))

    def _read(self, document: Document, parts: Mapping[str, bytes]) -> Outcome:
        content = parts.get(document.document_id)
        if content is None:
            content = content_of(document, self._settings.max_document_mb, self._fetch_part)
        extracted = self._extractor.extract(content, document.media_type)
        engine = extracted.extraction.engine
        return Outcome(document.document_id, extracted.payload, extracted.failure, engine=engine)


def _decisive(known: Format) -> dict[str, object]:
    return {"version": known.version, "packages": {package: version(package) for package in known.packages}}


def _digest(decisive: Mapping[str, object]) -> str:
    return digest_of(json.dumps(decisive, sort_keys=True))
