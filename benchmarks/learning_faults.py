"""What wrong labels cost, and how they are seen; and how soon the alarm rings where documents are no longer the same.

python benchmarks/learning_faults.py [--data ../shared/data] [--sets poison drift] [--scans 24]

Poison: of 150 receipts 100 are learnt and 50 read, in five random splits, with right labels; with 5 % of the labels
replaced by the value of another receipt; and with the labels of 30 documents as the machine read them, because their
reviewer accepts all. "Taught" measures on the same labels that teach, as `winnow learn` must: by `tasks/learn/gate.py`.

Drift: the readings of the other receipts are what a promise of 5 % was proven on. Batches: the same receipts with their
labels in another language (Finnish, which the type does not know), with the columns of each line in another order, and
drawn as pictures, damaged (turned, blurred, with noise, at low contrast) and read by tesseract. Of each batch accepted
rows are drawn at random, with replacement, and audited until the alarm of `blocks/learning/monitor.py` rings, in 500
histories.

A row is accepted as in `learning.py`: by the confidences of company, date and total alone.
"""

import argparse
import io
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from accuracy_fields import SETTINGS, Task, receipt_tasks
from learning import Result, judge, learnt_names, review_rate, values_of

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.learning.measures import clopper_pearson
from blocks.learning.memory import Memory, remember
from blocks.learning.memory_rows import MemoryRow
from blocks.learning.monitor import Alarm, drift
from blocks.learning.recall import text_digest
from blocks.learning.traces import is_equal
from blocks.reader.reading import read
from blocks.records import Page
from tasks.extract.extract import extract_bytes
from tasks.learn.gate import measure
from tasks.learn.labelled import LabelledDocument

SPLITS, WRONG_SHARE, RUBBER_STAMPED = 5, 0.05, 30
ERROR, DELTA, HISTORIES, MOST_AUDITS = 0.05, 0.05, 500, 500
FINNISH = {
    "total": "yhteensä", "date": "päiväys", "invoice": "lasku", "amount": "määrä", "cash": "käteinen",
    "change": "vaihtoraha", "rounding": "pyöristys", "subtotal": "välisumma", "tax": "vero", "gst": "alv", "tel": "puh",
    "receipt": "kuitti", "due": "maksettava", "net": "netto", "round": "pyör", "paid": "maksettu", "payment": "maksu",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")

Labels = Mapping[str, Mapping[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=("poison", "drift"), default=("poison", "drift"))
    parser.add_argument("--scans", type=int, default=24)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    receipt = load_document_types(SETTINGS.document_types_dir)["receipt"]
    tasks = list(receipt_tasks(options.data, frozenset()))
    if "poison" in options.sets:
        poison(receipt, tasks)
    if "drift" in options.sets:
        drifted(receipt, tasks, options.scans)


def poison(receipt: DocumentType, tasks: Sequence[Task]) -> None:
    truth = {task.name: values_of(receipt, task) for task in tasks}
    machine = {task.name: as_read(receipt, task) for task in tasks}
    cases: dict[str, Callable[[list[str], random.Random], Labels]] = {
        "right labels": lambda names, _: {name: truth[name] for name in names},
        "5 % of the labels wrong": lambda names, rng: swapped({name: truth[name] for name in names}, rng),
        "30 documents accepted as read": lambda names, rng: {
            **{name: truth[name] for name in names},
            **{name: machine[name] for name in rng.sample(names, RUBBER_STAMPED)},
        },
    }
    unlearnt = Result()
    for title, labels_of in cases.items():
        result, used, p_worse, seen = Result(), 0, [], Result()
        for split in range(SPLITS):
            learnt = sorted(learnt_names(tasks, split))
            labels = labels_of(learnt, random.Random(split))
            by_name = {task.name: task for task in tasks}
            decided = [remember(name, receipt, by_name[name].pages, labels[name]) for name in learnt]
            memory = Memory(decided)
            for task in tasks:
                if task.name in labels:
                    continue
                judge(receipt, task, read(receipt, task.pages, memory.recall(task.pages)), result)
                if title == "right labels":
                    judge(receipt, task, read(receipt, task.pages), unlearnt)
            rows = [
                MemoryRow(
                    one.document_id, "", text_digest(by_name[one.document_id].pages), one.model_dump_json().encode()
                )
                for one in decided
            ]
            documents = [LabelledDocument(name, by_name[name].pages, labels[name]) for name in learnt]
            gate = measure(receipt, rows, documents, lambda _: {})
            used += not gate.worse_fields
            p_worse += [field.p_worse for field in gate.fields.values()]
            for name in learnt:
                seen.documents.append((0.0, are_equal(receipt, labels[name], truth[name])))
        if title == "right labels":
            tell("nothing learnt", unlearnt)
        tell(title, result)
        wrong = sum(not is_right for _, is_right in seen.documents)
        print(f"  labelled documents wrong {wrong} of {len(seen.documents)}; gate: used in {used} of {SPLITS} splits,")
        print(f"  least p of worse {min(p_worse):.3f}")
    low, high = clopper_pearson(5, 5)
    print(f"a reviewer who accepts all misses 5 of 5 seeded errors: misses {low:.0%} to {high:.0%} of them (95 %)")
    agreeing = sum(are_equal(receipt, machine[name], truth[name]) for name in truth)
    low, high = clopper_pearson(agreeing, len(truth))
    print(
        f"others change nothing in {agreeing} of {len(truth)} documents ({low:.0%} to {high:.0%}); "
        "who accepts all, in every one"
    )
    for stamped in (10, 20, 30, 50):
        print(f"  after {stamped} documents, chance alone gives this with p {(agreeing / len(truth)) ** stamped:.4f}")


def are_equal(receipt: DocumentType, mine: Mapping[str, str], others: Mapping[str, str]) -> bool:
    return all(is_equal(receipt.fields[name], mine.get(name), value) for name, value in others.items())


def as_read(receipt: DocumentType, task: Task) -> dict[str, str]:
    fields = read(receipt, task.pages).fields
    return {name: str(fields[name].value) for name in task.truth if name in fields}


def swapped(labels: Labels, rng: random.Random) -> Labels:
    """Each label with a probability of 5 % that of another document."""
    names = list(labels)
    return {
        name: {
            key: labels[rng.choice(names)][key] if rng.random() < WRONG_SHARE else value for key, value in own.items()
        }
        for name, own in labels.items()
    }


def tell(title: str, result: Result) -> None:
    wrong = result.accepted.count(False)
    print(
        f"{title}: {result.wrong} values wrong of {sum(result.counts.values())}; {len(result.accepted)} of "
        f"{len(result.documents)} rows accepted, {wrong} of them wrong ({wrong / max(len(result.accepted), 1):.1%}); "
        f"review rate at 5 % wrong {review_rate(result.documents):.0%}"
    )


def drifted(receipt: DocumentType, tasks: Sequence[Task], scans: int) -> None:
    rng = random.Random(0)
    drawn = rng.sample(list(tasks), scans)
    batches: dict[str, Sequence[Task]] = {
        "as they were": tasks,
        "labels in another language": [with_text(task, translated) for task in tasks],
        "another layout": [with_text(task, rearranged) for task in tasks],
        "drawn as pictures": [scanned(task, rng, is_damaged=False) for task in drawn],
        "drawn as pictures, damaged": [scanned(task, rng, is_damaged=True) for task in drawn],
    }
    proof: list[float] = []
    for title, batch in batches.items():
        result = Result()
        for task in batch:
            judge(receipt, task, read(receipt, task.pages), result)
        scores = [score for score, _ in result.documents]
        tell(title, result)
        if not proof:
            proof = scores
        found = drift(proof, scores)
        compared = "too few scores to compare" if found is None else f"gap {found.gap:.2f}, p {found.p_value:.4f}"
        print(f"  drift of scores: {compared}")
        alarms(result.accepted)


def alarms(accepted: Sequence[bool]) -> None:
    if not accepted:
        print("  no row is accepted: nothing to audit, all go to people")
        return
    rng = np.random.default_rng(0)
    rang: list[int] = []
    for _ in range(HISTORIES):
        audits = [not accepted[at] for at in rng.integers(0, len(accepted), MOST_AUDITS)]
        at = Alarm(error=ERROR, delta=DELTA).after(audits).rang_at
        rang += [at] if at is not None else []
    print(f"  alarm within {MOST_AUDITS} audited rows in {len(rang) / HISTORIES:.0%} of histories")
    if rang:
        middle, late = np.percentile(rang, (50, 90))
        print(f"  of these after {middle:.0f} rows in the median, after {late:.0f} in nine of ten")


def with_text(task: Task, change: Callable[[str], str]) -> Task:
    return Task(
        task.name, tuple(page.model_copy(update={"text": change(page.text)}) for page in task.pages), task.truth
    )


def translated(text: str) -> str:
    return _WORD.sub(lambda word: FINNISH.get(word[0].casefold(), word[0]), text)


def rearranged(text: str) -> str:
    """Amounts before their labels: the cells of each line from right to left."""
    return "\n".join(re.sub(r"^(.*?\D)\s*(\d+[.,]\d\d)\s*$", r"\2  \1", line) for line in text.splitlines())


def scanned(task: Task, rng: random.Random, *, is_damaged: bool) -> Task:
    """The receipt as tesseract reads it from a picture."""
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    lines = "\n".join(page.text for page in task.pages).splitlines()
    font = ImageFont.load_default(size=28)
    picture = Image.new("L", (40 + 17 * max(map(len, lines)), 60 + 38 * len(lines)), 255)
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((20, 20 + 38 * number), line, fill=0, font=font)
    if is_damaged:
        picture = picture.resize((picture.width // 2, picture.height // 2))
        picture = picture.rotate(rng.uniform(-3, 3), expand=True, fillcolor=255).filter(ImageFilter.GaussianBlur(0.8))
        noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 40, (picture.height, picture.width))
        picture = Image.fromarray(np.clip(np.asarray(picture) * 0.6 + 70 + noise, 0, 255).astype(np.uint8))
    content = io.BytesIO()
    picture.save(content, "png")
    extraction, _ = extract_bytes(content.getvalue(), f"file:///{task.name}.png", SETTINGS)
    pages: tuple[Page, ...] = extraction.pages if extraction is not None else ()
    return Task(task.name, pages, task.truth)


if __name__ == "__main__":
    main()
