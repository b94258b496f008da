"""Documents per second of the extract stage on text PDFs, isolation included, beside loops that protect nothing.

Side by side in one run, in turns, because a shared machine's speed drifts: (a) a loop in one thread that gets the same
text and word boxes out of pypdfium2, box by box; (b) our own page reader without isolation; (c) text alone by
pypdfium2; (d) text alone by pypdf.
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

FOLDERS = ("einvoices/pdf", "resumes/pdf", "invoice2data")
GOAL = 1.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=2, help="how often each document is read in one round")
    options = parser.parse_args()
    paths = text_pdfs(options.data)
    if not paths:
        print(f"skipped: no PDFs below {options.data}")
        return
    contenders: dict[str, Callable[[Sequence[Path]], int]] = {
        "stage": stage_loop(),
        "pypdfium2 loop": bare_loop,
        "own reader, bare": own_loop,
        "pypdfium2 text": text_loop,
        "pypdf text": pypdf_loop,
    }
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run(paths[:4])  # start-up is reported nowhere: processes start once per worker
    for _ in range(options.rounds):
        for name, run in contenders.items():
            wanted = list(paths) * (1 if name == "pypdf text" else options.copies)
            started = time.perf_counter()
            run(wanted)
            speeds[name].append(len(wanted) / (time.perf_counter() - started))
    report(paths, speeds, options.json)


def text_pdfs(data: Path) -> list[Path]:
    """The PDFs whose every page has its own text, so that OCR plays no part."""
    from tasks.extract import pdf
    from tasks.extract.reading import unpack

    arguments = {"passwords": [], "max_pages": 2_000}
    found = sorted(path for folder in FOLDERS for path in (data / folder).rglob("*.pdf"))
    return [path for path in found if not unpack(pdf.read(path.read_bytes(), arguments))[0].ocr_pages]


def stage_loop() -> Callable[[Sequence[Path]], int]:
    from blocks.files.media_types import PDF
    from blocks.records import Document
    from blocks.settings import Settings
    from tasks.extract.stage import ExtractStage

    stage = ExtractStage(Settings(), fetch_part=lambda _: b"")

    def run(paths: Sequence[Path]) -> int:
        ids = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in set(paths)}
        documents = [Document(ids[path], str(path.resolve()), PDF, path.stat().st_size) for path in paths]
        outcomes = list(stage.work(documents))
        assert all(outcome.payload for outcome in outcomes), "a text PDF failed"
        return sum(len(outcome.payload or b"") for outcome in outcomes)

    return run


def bare_loop(paths: Sequence[Path]) -> int:
    """What one writes with pypdfium2: the text of each page, and a box for each word from those of its characters."""
    import pypdfium2

    words = 0
    for path in paths:
        with pypdfium2.PdfDocument(path.read_bytes()) as document:
            for page in document:
                text_page = page.get_textpage()
                text = text_page.get_text_range()
                words += len(boxes_of_words(text_page, text))
                text_page.close()
                page.close()
    return words


def boxes_of_words(text_page: object, text: str) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Words with boxes, from the boxes of all their characters, as pypdfium2 gives them."""
    count = text_page.count_chars()  # type: ignore[attr-defined]
    found, word, box = [], "", (0.0, 0.0, 0.0, 0.0)
    for index, letter in enumerate(text[:count]):
        if letter.isspace():
            if word:
                found.append((word, box))
            word = ""
            continue
        left, bottom, right, top = text_page.get_charbox(index)  # type: ignore[attr-defined]
        if word:
            box = (min(box[0], left), min(box[1], bottom), max(box[2], right), max(box[3], top))
        else:
            box = (left, bottom, right, top)
        word += letter
    return [*found, (word, box)] if word else found


def own_loop(paths: Sequence[Path]) -> int:
    from tasks.extract import pdf

    arguments = {"passwords": [], "max_pages": 2_000}
    return sum(len(pdf.read(path.read_bytes(), arguments)) for path in paths)


def text_loop(paths: Sequence[Path]) -> int:
    import pypdfium2

    characters = 0
    for path in paths:
        with pypdfium2.PdfDocument(path.read_bytes()) as document:
            for page in document:
                characters += len(page.get_textpage().get_text_range())
    return characters


def pypdf_loop(paths: Sequence[Path]) -> int:
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    return sum(len(page.extract_text()) for path in paths for page in PdfReader(path).pages)


def report(paths: Sequence[Path], speeds: dict[str, list[float]], target: Path | None) -> None:
    best = {name: statistics.median(found) for name, found in speeds.items()}
    rounds = list(zip(speeds["stage"], speeds["pypdfium2 loop"], strict=True))
    ratio = statistics.median(stage / bare for stage, bare in rounds)
    print(f"{len(paths)} text PDFs, {os.cpu_count()} cores, median of {len(rounds)} rounds")
    print(f"{'':20} {'documents/s':>12} {'stage is':>10}")
    for name, speed in best.items():
        print(f"{name:20} {speed:12.1f} {best['stage'] / speed:9.2f}x")
    print(f"stage / pypdfium2 loop, round by round: {ratio:.2f} (goal {GOAL})")
    if target:
        figures = {
            "documents": len(paths),
            "cores": os.cpu_count(),
            "machine": platform.platform(),
            "documents_per_s": {name: round(speed, 1) for name, speed in best.items()},
            "stage_to_pypdfium2_loop": round(ratio, 3),
            "goal": GOAL,
        }
        target.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
