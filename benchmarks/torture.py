"""Damaged, encrypted, fuzzed and hanging PDFs through the extract stage: one outcome each, none over its limits."""

import argparse
import csv
import hashlib
import json
import time
from collections import Counter
from pathlib import Path

TOLERANCE_S = 2.0
"""A killed child is noticed a moment after its time is up, on a busy machine."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    folder = options.data / "pdf_torture"
    if not folder.is_dir():
        print(f"skipped: no {folder}")
        return
    classes = {row["file"]: row["class"] for row in csv.DictReader((folder / "manifest.csv").open())}
    figures = run(folder / "pdf", classes)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def run(folder: Path, classes: dict[str, str]) -> dict[str, object]:
    from blocks.files.recognition import media_type_of
    from blocks.isolation.isolation import Isolation
    from blocks.records import Document
    from blocks.settings import Settings
    from tasks.extract.extract import Extractor
    from tasks.extract.ocr.pool import OcrPool
    from tasks.extract.stage import ExtractStage

    settings = Settings()
    isolation, ocr = Isolation(settings), OcrPool(settings)
    stage = ExtractStage(settings, lambda _: b"", Extractor(settings, isolation, ocr))
    documents = []
    for path in sorted(folder.glob("*.pdf")):
        content = path.read_bytes()
        documents.append(
            Document(
                hashlib.sha256(content).hexdigest(),
                str(path.resolve()),
                media_type_of(content, path.name),
                len(content),
            )
        )
    names = {document.document_id: Path(document.uri).name for document in documents}
    started = time.monotonic()
    outcomes = list(stage.work(documents))
    took_s = time.monotonic() - started
    isolation.close()
    ocr.close()
    assert sorted(outcome.document_id for outcome in outcomes) == sorted(document.document_id for document in documents)

    ends = Counter((classes.get(names[o.document_id], "?"), o.failure.kind if o.failure else "read") for o in outcomes)
    for (kind, end), count in sorted(ends.items()):
        print(f"{kind:28} {end:24} {count:4}")
    slowest = max(outcomes, key=lambda outcome: outcome.duration_ms)
    print(f"{len(outcomes)} files, one outcome each, {took_s:.1f} s; slowest {names[slowest.document_id]}", end=" ")
    print(f"{slowest.duration_ms / 1000:.1f} s; largest parser process {isolation.peak_process_mb:.0f} MB")
    for outcome in outcomes:
        pages = len(json.loads(outcome.payload)["pages"]) if outcome.payload else 1
        limit_s = settings.document_timeout_s + settings.ocr_page_timeout_s * pages + TOLERANCE_S
        assert outcome.duration_ms < limit_s * 1000, f"{names[outcome.document_id]} is over its time"
    assert isolation.peak_process_mb < settings.memory_limit_mb, "over its memory"
    return {
        "files": len(outcomes),
        "outcomes": {f"{kind}: {end}": count for (kind, end), count in sorted(ends.items())},
        "seconds": round(took_s, 1),
        "slowest_s": slowest.duration_ms / 1000,
        "slowest": names[slowest.document_id],
        "peak_process_mb": round(isolation.peak_process_mb, 1),
    }


if __name__ == "__main__":
    main()
