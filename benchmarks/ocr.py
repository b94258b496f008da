"""How well and how fast Winnow reads pages that were scanned badly.

Accuracy: pages of `ocr_rendered` against the text layer that they were rendered from. Whitespace is normalised; curly
quotes, dashes, bullets and the truth's own mojibake are folded on both sides. `cer` is the edit distance over the
length of the truth. Its order is poppler's, which reads columns one after the other where Winnow keeps rows together,
so `cer_free` gives the same with the words of both sides sorted, and `words_f1` compares bags of words. The baseline
beside it is the data's own: plain tesseract, the better of its page modes, on text that was not folded.

Speed: the same pages through four ways side by side in one run: Winnow's pool, one process per core of the engine
itself (tesserocr with its defaults, on the pages as they are), pytesseract one by one, and the pool with pytesseract.
Once on the scans as they are, which Winnow scales up, and once on pages of PDFs rendered at 300 dpi, as extraction
renders them. Processes are started before the clock is.
"""

import argparse
import csv
import json
import multiprocessing
import os
import platform
import re
import statistics
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ["OMP_THREAD_LIMIT"] = "1"  # for the plain engines; Winnow sets it for its own processes

from PIL import Image
from rapidfuzz.distance import Levenshtein

from blocks.files.pages import GrayImage
from blocks.settings import Settings
from tasks.extract.ocr.choice import choose_engine
from tasks.extract.ocr.ocr_page import OcrPage
from tasks.extract.ocr.pool import OcrPool

PAGE_TIMEOUT_S = 120.0
FOLDED = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-"} | dict.fromkeys("•●Âï¼\u200b", " "))
IN_ORDER = {"clean150", "bilevel200_tiff", "rot90", "skew2.5"}


@dataclass(frozen=True)
class Item:
    """A file of the set: its frames, what they say, how it was damaged, and the baseline's error."""

    name: str
    kind: str
    damage: str
    truth: str
    frames: tuple[GrayImage, ...]
    baseline_cer: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--limit", type=int, default=0, help="files per kind of damage; 0 takes all")
    parser.add_argument("--pages", type=int, default=12, help="pages of the speed comparison; 0 leaves it out")
    parser.add_argument("--engines", nargs="*", default=["tesserocr", "pytesseract"])
    arguments = parser.parse_args()
    folder = arguments.data / "ocr_rendered"
    if not folder.is_dir():
        print(f"skipped: {folder} is not there")
        return
    items = load(folder, arguments.limit)
    figures: dict[str, object] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "accuracy": {}}
    texts: dict[str, list[str]] = {}
    for engine in arguments.engines:
        with closing(OcrPool(Settings.model_validate({"ocr_engine": engine}))) as pool:
            texts[engine] = read_all(pool, items)
            figures["accuracy"] |= {pool.engine: accuracy(pool.engine, items, texts[engine])}  # type: ignore[operator]
    if len(texts) == 2:
        figures["engines_differ"] = agreement(*texts.values())
    if arguments.pages:
        scans = [item.frames[0] for item in items][: arguments.pages]
        rendered = rendered_pages(arguments.data / "resumes", arguments.pages)
        figures["speed"] = {
            "scans": speed("scans", scans),
            "rendered at 300 dpi": speed("rendered at 300 dpi", rendered),
        }
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def load(folder: Path, limit: int) -> list[Item]:
    baseline: dict[str, float] = {}
    for row in csv.DictReader((folder / "tesseract_baseline.csv").open()):
        baseline[row["file"]] = min(baseline.get(row["file"], 9.0), float(row["cer"]))
    items, taken = [], Counter[str]()
    for row in csv.DictReader((folder / "index.csv").open()):
        if row["file"].endswith(".pdf") or (limit and taken[row["variant"]] >= limit):
            continue
        taken[row["variant"]] += 1
        truth = normalised((folder / row["gt"]).read_text(encoding="utf-8"))
        frames = tuple(frames_of(folder / row["file"]))
        items.append(Item(row["file"], row["kind"], row["variant"], truth, frames, baseline.get(row["file"])))
    return items


def frames_of(path: Path) -> list[GrayImage]:
    frames = []
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            gray = image.convert("L")
            dpi = round(float(image.info.get("dpi", (0,))[0]))
            frames.append(GrayImage(gray.width, gray.height, dpi, gray.tobytes()))
    return frames


def rendered_pages(folder: Path, count: int) -> list[GrayImage]:
    import pypdfium2

    pages = []
    for path in sorted(folder.rglob("*.pdf"))[:count]:
        image = pypdfium2.PdfDocument(path)[0].render(scale=300 / 72, grayscale=True).to_pil().convert("L")
        pages.append(GrayImage(image.width, image.height, 300, image.tobytes()))
    return pages


def read_all(pool: OcrPool, items: Sequence[Item]) -> list[str]:
    def read(item: Item) -> str:
        return normalised("\n".join(pool.read_page(frame, PAGE_TIMEOUT_S).text for frame in item.frames))

    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        return list(threads.map(read, items))


def accuracy(engine: str, items: Sequence[Item], texts: Sequence[str]) -> dict[str, dict[str, float | int]]:
    rows: defaultdict[tuple[str, str], list[tuple[float, float, float, float]]] = defaultdict(list)
    for item, text in zip(items, texts, strict=True):
        free = error_rate(" ".join(sorted(text.split())), " ".join(sorted(item.truth.split())))
        base = item.baseline_cer if item.baseline_cer is not None else float("nan")
        rows[item.kind, item.damage].append((error_rate(text, item.truth), free, words_f1(text, item.truth), base))
    print(
        f"\n{engine}\n{'kind':8} {'damage':18} {'n':>3} {'cer':>7} {'cer_free':>9} {'words_f1':>9} {'baseline cer':>13}"
    )
    figures: dict[str, dict[str, float | int]] = {}
    for (kind, damage), values in sorted(rows.items()):
        cer, free, f1, base = (statistics.fmean(column) for column in zip(*values, strict=True))
        print(f"{kind:8} {damage:18} {len(values):3} {cer:7.4f} {free:9.4f} {f1:9.4f} {base:13.4f}")
        figures[f"{kind} {damage}"] = {"n": len(values), "cer": cer, "cer_free": free, "words_f1": f1, "baseline": base}
    judged = [
        v[0] for (kind, damage), values in rows.items() if kind == "resume" and damage in IN_ORDER for v in values
    ]
    if judged:
        print(f"résumés, clean, bilevel, rotated and skewed: cer {statistics.fmean(judged):.4f} (goal under 0.05)")
    return figures


def agreement(first: Sequence[str], second: Sequence[str]) -> float:
    """The mean share of characters in which two engines differ."""
    mean = statistics.fmean(error_rate(b, a) for a, b in zip(first, second, strict=True))
    print(f"\nthe engines differ in {mean:.4f} of the characters")
    return mean


def speed(title: str, pages: Sequence[GrayImage]) -> dict[str, float]:
    """Pages per second of four ways."""
    found: dict[str, float] = {}
    cores = os.cpu_count() or 1
    warm_up = [pages[0]] * cores
    for engine in ("tesserocr", "pytesseract"):
        with closing(OcrPool(Settings.model_validate({"ocr_engine": engine}))) as pool:
            through_pool(pool, warm_up)
            started = time.perf_counter()
            through_pool(pool, pages)
            found[f"pool, {engine}"] = len(pages) / (time.perf_counter() - started)
    with multiprocessing.get_context("spawn").Pool(cores) as bare:
        bare.map(read_bare, warm_up, chunksize=1)
        started = time.perf_counter()
        bare.map(read_bare, pages, chunksize=1)
        found["bare tesserocr, a process per core"] = len(pages) / (time.perf_counter() - started)
    read_plainly(pages[0])
    started = time.perf_counter()
    for page in pages:
        read_plainly(page)
    found["pytesseract, one by one"] = len(pages) / (time.perf_counter() - started)
    own = found["pool, tesserocr"]
    print(f"\n{title + f' ({len(pages)} pages)':36} {'pages/s':>8} {'pool / way':>11}")
    for way, rate in found.items():
        print(f"{way:36} {rate:8.3f} {own / rate:11.2f}")
    return found


def through_pool(pool: OcrPool, pages: Sequence[GrayImage]) -> list[OcrPage]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        return list(threads.map(lambda page: pool.read_page(page, PAGE_TIMEOUT_S), pages))


@cache
def bare_engine() -> Any:
    """One engine per process, as a plain script has it."""
    import tesserocr

    chosen = choose_engine(Settings())
    assert not isinstance(chosen, str), chosen
    return tesserocr.PyTessBaseAPI(path=f"{chosen.packs.folder}/", lang="eng")


def read_bare(page: GrayImage) -> str:
    engine = bare_engine()
    engine.SetImageBytes(page.pixels, page.width, page.height, 1, page.width)
    if page.dpi:
        engine.SetSourceResolution(page.dpi)
    engine.Recognize()
    return str(engine.GetTSVText(0))


def read_plainly(page: GrayImage) -> str:
    import pytesseract

    image = Image.frombytes("L", (page.width, page.height), page.pixels)
    return str(pytesseract.image_to_data(image, lang="eng"))


def normalised(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text.translate(FOLDED))).strip()


def error_rate(text: str, truth: str) -> float:
    return Levenshtein.distance(text, truth) / max(1, len(truth))


def words_f1(text: str, truth: str) -> float:
    read, meant = Counter(text.split()), Counter(truth.split())
    return 2 * sum((read & meant).values()) / max(1, sum(read.values()) + sum(meant.values()))


if __name__ == "__main__":
    main()
