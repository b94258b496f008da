"""What the memory brings: documents read before and after others of their kind were decided.

python benchmarks/learning.py [--data ../shared/data] [--sets receipts invoices tickets posts speed] [--show]

Receipts: of 150, the truth of 100 is learnt and the other 50 are read, in five random splits; documents with the same
text fall on one side. Invoices: one of an issuer is decided, the others of that issuer are read, every ordered pair
once. Tickets: 0 to 5 decided messages an intent, the sixth is read (the set has no more), and 0 to 30 decided messages
of each team, all beyond 30 are read; the type is stripped of the set's own messages first. Posts: two thirds are
decided, one third is read, in three random splits. `--show` prints the fields that changed or stayed wrong.

The review rate at 5 % is the share of documents that go to people if as many as possible are accepted, the surest
first, while at most 5 % of the accepted ones have a wrong field. The receipts were looked at while the memory was made.
"""

import argparse
import csv
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from accuracy_fields import SETTINGS, Task, invoice_tasks, is_same, receipt_tasks
from dateutil import parser as dates

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType, Example, FieldType
from blocks.evidence.document_reading import DocumentReading
from blocks.evidence.findings import LIKELY_AT
from blocks.evidence.traces import Trace
from blocks.learning.lessons import taught
from blocks.learning.likeness import DIMENSIONS, sketch, text_of
from blocks.learning.memory import Decided, Memory, remember
from blocks.reader.enums import read_enum
from blocks.reader.reading import read
from blocks.records import Page

SETS = ("receipts", "invoices", "tickets", "posts", "speed")
LEARNT, SPLITS = 100, 5
PROMISED_ERROR = 0.05
YEAR_FIRST = re.compile(r"\d{4}[-/.]?\d\d?[-/.]?\d\d?$")


@dataclass(slots=True)
class Result:
    """How documents were read: right and wrong values by field, and each document's confidence and rightness.

    `accepted` documents have no doubtful field; `surely_wrong` are their wrong values by field.
    """

    counts: Counter[tuple[str, bool]] = field(default_factory=Counter)
    documents: list[tuple[float, bool]] = field(default_factory=list)
    accepted: list[bool] = field(default_factory=list)
    surely_wrong: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> int:
        return sum(count for (_, is_right), count in self.counts.items() if not is_right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    types = load_document_types(SETTINGS.document_types_dir)
    measured: dict[str, Callable[[], None]] = {
        "receipts": lambda: receipts(options.data, types["receipt"], options.show),
        "invoices": lambda: invoices(options.data, types["invoice"], options.show),
        "tickets": lambda: tickets(options.data, types["support_ticket"]),
        "posts": lambda: posts(options.data, types["moderation_item"]),
        "speed": lambda: speed(types["receipt"]),
    }
    for name in options.sets:
        measured[name]()


def receipts(data: Path, document_type: DocumentType, is_shown: bool) -> None:
    tasks = list(receipt_tasks(data, frozenset()))
    decided = {
        task.name: remember(task.name, document_type, task.pages, values_of(document_type, task)) for task in tasks
    }
    plain = {task.name: read(document_type, task.pages) for task in tasks}
    before, after, known = Result(), Result(), (Result(), Result())
    rates: list[tuple[float, float]] = []
    for split in range(SPLITS):
        learnt = learnt_names(tasks, split)
        memory = Memory([decided[name] for name in sorted(learnt)])
        issuers = {decided[name].issuer for name in learnt}
        own = Result(), Result()
        for task in tasks:
            if task.name in learnt:
                continue
            recalled = read(document_type, task.pages, memory.recall(task.pages))
            both = plain[task.name], recalled
            for reading, results in zip(both, ((own[0], before), (own[1], after)), strict=True):
                for result in results:
                    judge(document_type, task, reading, result)
            if decided[task.name].issuer in issuers:
                judge(document_type, task, both[0], known[0])
                judge(document_type, task, both[1], known[1])
            if is_shown:
                show(document_type, task, *both)
        rates.append((review_rate(own[0].documents), review_rate(own[1].documents)))
    compare("receipts", before, after)
    compare("receipts of an issuer that was learnt", *known)
    for name, at in (("before", 0), ("after", 1)):
        each = ", ".join(f"{rate[at]:.0%}" for rate in rates)
        print(f"  review rate at 5 % wrong {name}: {each}; mean {sum(rate[at] for rate in rates) / SPLITS:.1%}")
    print(f"  size: at most {max(map(size, decided.values())):,} bytes a document")


def learnt_names(tasks: Sequence[Task], split: int) -> set[str]:
    """The documents that are learnt: those with the same text all or none."""
    twins: dict[str, list[str]] = defaultdict(list)
    for task in tasks:
        twins[words_of(task.pages)].append(task.name)
    groups = list(twins.values())
    random.Random(split).shuffle(groups)
    learnt: set[str] = set()
    for group in groups:
        if len(learnt) < LEARNT:
            learnt.update(group)
    return learnt


def invoices(data: Path, document_type: DocumentType, is_shown: bool) -> None:
    tasks = [task for task in invoice_tasks(data) if task.pages]
    before, after = Result(), Result()
    for decided, task in pairs_of_an_issuer(tasks):
        memory = Memory([remember(decided.name, document_type, decided.pages, values_of(document_type, decided))])
        readings = read(document_type, task.pages), read(document_type, task.pages, memory.recall(task.pages))
        judge(document_type, task, readings[0], before)
        judge(document_type, task, readings[1], after)
        if is_shown:
            show(document_type, task, *readings)
    compare("invoices, one of the issuer decided", before, after)


def pairs_of_an_issuer(tasks: Sequence[Task]) -> Iterator[tuple[Task, Task]]:
    for decided in tasks:
        for task in tasks:
            is_same_issuer = decided.truth.get("seller_name") == task.truth.get("seller_name") is not None
            if is_same_issuer and words_of(decided.pages) != words_of(task.pages):
                yield decided, task


def tickets(data: Path, document_type: DocumentType) -> None:
    rows = read_rows_of(data / "tickets" / "labels.csv")
    texts = {row["text"].strip() for row in rows}
    own = tuple(example for example in document_type.examples if example.text not in texts)
    stripped = document_type.model_copy(update={"examples": own})
    by_intent: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_intent[row["category"]].append(row["text"].strip())
    for number in (0, 1, 3, 5):
        held_out = [(found[-1], intent) for intent, found in by_intent.items()]
        learnt = [(text, intent) for intent, found in by_intent.items() for text in found[:-1][:number]]
        labels(f"tickets, {number} decided an intent", stripped, "intent", learnt, held_out)
    team_of = {
        example.labels["intent"]: example.labels["team"]
        for example in document_type.examples
        if example.labels.get("intent")
    }
    by_team: dict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["text"]):
        by_team[team_of[row["category"]]].append(row["text"].strip())
    random.Random(0).shuffle(order := list(range(max(map(len, by_team.values())))))
    mixed = {team: [found[at] for at in order if at < len(found)] for team, found in by_team.items()}
    for number in (0, 6, 15, 30):
        held_out = [(text, team) for team, found in mixed.items() for text in found[30:]]
        learnt = [(text, team) for team, found in mixed.items() for text in found[:number]]
        labels(f"teams of tickets, {number} decided a team", stripped, "team", learnt, held_out)


def posts(data: Path, document_type: DocumentType) -> None:
    rows = [(row["text"], row["class"]) for row in read_rows_of(data / "moderation" / "labels.csv")]
    for split in range(3):
        random.Random(split).shuffle(rows)
        cut = 2 * len(rows) // 3
        labels(f"posts, split {split}, {cut} decided", document_type, "label", rows[:cut], rows[cut:])


def labels(
    title: str,
    document_type: DocumentType,
    name: str,
    learnt: Sequence[tuple[str, str]],
    held_out: Sequence[tuple[str, str]],
) -> None:
    """Accuracy without lessons, with the classifier retrained, and with the votes of the nearest as well."""
    learned = taught(document_type, [Example(text=text, labels={name: value}) for text, value in learnt])
    memory = Memory([labelled(document_type, name, text, value) for text, value in learnt])
    rules = document_type.fields[name]
    settings: dict[str, Callable[[tuple[Page, ...]], object]] = {
        "before": lambda pages: read_enum(name, rules, document_type, pages)[0],
        "retrained": lambda pages: read_enum(name, rules, learned, pages)[0],
        "and votes": lambda pages: read_enum(name, rules, learned, pages, memory.recall(pages))[0],
    }
    print(f"{title}, {len(held_out)} read")
    for setting, reader in settings.items():
        answers = []
        for text, value in held_out:
            found = reader((Page(number=1, method="parsed", text=text),))
            answers.append((getattr(found, "confidence", 0.0), getattr(found, "value", None) == value))
        right = sum(is_right for _, is_right in answers)
        rate = review_rate(answers)
        print(f"  {setting:<10} {right / len(answers):.3f} right; review rate at 5 % wrong {rate:.0%}")


def labelled(document_type: DocumentType, name: str, text: str, value: str) -> Decided:
    pages = (Page(number=1, method="parsed", text=text),)
    return Decided(
        document_id=text,
        document_type=document_type.name,
        sketch=sketch(text_of(pages)),
        fields={name: Trace(value=value)},
    )


def speed(document_type: DocumentType) -> None:
    """Likeness against 100,000 decided documents, and learning from 10,000 labels."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghij"), 6)) for _ in range(3_000)]
    pages = [
        (Page(number=1, method="parsed", text="\n".join(" ".join(rng.choice(words, 6)) for _ in range(30))),)
        for _ in range(200)
    ]
    base = [remember(str(at), document_type, page, {"total": None}) for at, page in enumerate(pages)]
    many = [
        base[at % 200].model_copy(
            update={"document_id": str(at), "sketch": random_sketch(rng), "issuer": str(at // 10)}
        )
        for at in range(100_000)
    ]
    started = time.process_time()
    memory = Memory(many)
    print(f"speed: a memory of 100,000 documents is made in {time.process_time() - started:.1f} s of CPU")
    times, spent = [], []
    for page in pages:
        started, cpu = time.perf_counter(), time.process_time()
        memory.recall(page)
        times.append((time.perf_counter() - started) * 1000)
        spent.append((time.process_time() - cpu) * 1000)
    print(f"  recall of one: median {np.median(times):.1f} ms, fastest {min(times):.1f} ms")
    print(f"  recall of one, CPU: median {np.median(spent):.1f} ms")
    started = time.process_time()
    for at, page in enumerate(pages * 17):
        remember(str(at), document_type, page, {"company": None, "date": None, "total": None})
    print(f"  10,200 labels of 3,400 documents are remembered in {time.process_time() - started:.1f} s of CPU")
    few = Memory(base[:100])
    readers: dict[str, Callable[[tuple[Page, ...]], object]] = {
        "read": lambda page: read(document_type, page),
        "recall": few.recall,
    }
    costs = {}
    for name, reader in readers.items():
        started = time.process_time()
        for page in pages:
            reader(page)
        costs[name] = (time.process_time() - started) / len(pages) * 1000
    print(f"  CPU a document: reading {costs['read']:.2f} ms, recall among 100 {costs['recall']:.2f} ms")


def random_sketch(rng: np.random.Generator) -> str:
    import base64

    return base64.b64encode(rng.integers(-100, 100, DIMENSIONS, dtype=np.int8).tobytes()).decode()


def values_of(document_type: DocumentType, task: Task) -> dict[str, str]:
    """The truth of a document as rows have it."""
    values: dict[str, str] = {}
    for name, truth in task.truth.items():
        kind = document_type.fields[name].type
        if kind is FieldType.MONEY:
            values[name] = re.sub(r"[^\d.-]", "", truth)
        elif kind is FieldType.DATE:
            values[name] = day_of(truth)
        else:
            values[name] = truth
    return values


def day_of(truth: str) -> str:
    return dates.parse(truth, dayfirst=YEAR_FIRST.match(truth) is None).date().isoformat()


def is_right(document_type: DocumentType, name: str, reading: DocumentReading, task: Task) -> bool:
    found, kind = reading.fields.get(name), document_type.fields[name].type
    if found is None:
        return False
    if kind is FieldType.DATE:
        return found.value == day_of(task.truth[name])
    return is_same(kind, str(found.value), task.truth[name])


def judge(document_type: DocumentType, task: Task, reading: DocumentReading, result: Result) -> None:
    rights = {name: is_right(document_type, name, reading, task) for name in task.truth}
    result.counts.update(rights.items())
    found = [reading.fields.get(name) for name in task.truth]
    result.documents.append((min(one.confidence if one else 0.0 for one in found), all(rights.values())))
    if is_accepted(document_type, reading):
        result.accepted.append(all(rights.values()))
        result.surely_wrong.update(name for name, right in rights.items() if not right)


def is_accepted(document_type: DocumentType, reading: DocumentReading) -> bool:
    """Whether confidences alone would accept the document: 0.8 of required fields, 0.5 of others that were read."""
    for name, rules in document_type.fields.items():
        found = reading.fields.get(name)
        if rules.required and (found is None or found.confidence < document_type.review.accept_at):
            return False
        if found is not None and found.confidence < LIKELY_AT and found.evidence:
            return False
    return True


def show(document_type: DocumentType, task: Task, before: DocumentReading, after: DocumentReading) -> None:
    for name, truth in task.truth.items():
        was, now = (is_right(document_type, name, reading, task) for reading in (before, after))
        if not (was and now):
            values = [reading.fields[name].value if name in reading.fields else None for reading in (before, after)]
            verdict = "mended" if now else "broken" if was else "wrong"
            print(f"    {verdict}: {task.name} {name} {truth!r}, before {values[0]!r}, after {values[1]!r}")


def review_rate(documents: Sequence[tuple[float, bool]]) -> float:
    ranked = sorted(documents, key=lambda document: -document[0])
    accepted = wrong = 0
    for number, (_, is_good) in enumerate(ranked, 1):
        wrong += not is_good
        if wrong <= PROMISED_ERROR * number:
            accepted = number
    return 1 - accepted / len(ranked)


def compare(title: str, before: Result, after: Result) -> None:
    print(f"{title}: {len(before.documents)} readings of documents")
    for name in dict.fromkeys(name for name, _ in before.counts):
        figures = [
            f"{result.counts[name, True]} right {result.counts[name, False]} wrong" for result in (before, after)
        ]
        wrong = " → ".join(str(result.surely_wrong[name]) for result in (before, after))
        print(f"  {name:<16} before {figures[0]:<22} after {figures[1]:<22} in accepted rows wrong {wrong}")
    rows = [f"{len(each.accepted)} accepted, {each.accepted.count(False)} of them wrong" for each in (before, after)]
    print(f"  rows at today's thresholds: {rows[0]} → {rows[1]}")
    rates = [f"{review_rate(result.documents):.1%}" for result in (before, after)]
    print(
        f"  wrong values {before.wrong} → {after.wrong}; review rate at 5 % wrong, all together {rates[0]} → {rates[1]}"
    )


def size(document: Decided) -> int:
    return len(document.model_dump_json(exclude_defaults=True))


def words_of(pages: Sequence[Page]) -> str:
    return " ".join(" ".join(page.text for page in pages).split())


def read_rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
