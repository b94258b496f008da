"""What becomes of true and of false replies: how many documents are accepted that should be, and that should not.

Each reader's reply goes the way of any model's: the judge, the cross-check with the built-in reader, confidence, and
the validate stage with the type given. Measured of replies by themselves, on the shipped routes, and through the reader
alone in place of the route (`winnow run --model`); nothing is asked over a network, see trust_runs.py for that. A
document is answerable where its page shows every required value and nothing else sends it to review (hidden text).

On routes most documents need no reader at all: `(n by it)` counts the accepted ones in which a value is the reader's,
and only these can be accepted on the word of a liar.

Figures were tuned on the documents of one half, by a hash of their names. The other half is no test set either: its
failures were looked at when rules were made.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from readers import (
    DATA,
    LIES,
    SURE,
    Case,
    einvoices,
    invoice2data,
    lying_reply,
    receipts,
    truthful_reply,
    wrong_values,
)
from trust_paths import READER, Verdict, is_answerable, judge, walk

from blocks.evidence.cross_check import support
from blocks.evidence.document_reading import DocumentReading
from blocks.reader.reading import read

SETS: Mapping[str, Callable[[Path], Iterable[Case]]] = {
    "receipts": receipts,
    "einvoices": einvoices,
    "invoice2data": invoice2data,
}


PATHS: Mapping[str, tuple[str, ...]] = {"shipped route": (), "one model": (READER,)}
HALVES = ("tuned on", "looked at", "all")


@dataclass(slots=True)
class Tally:
    """How many documents there were and were accepted; on routes, in how many of these a value is the reader's."""

    documents: int = 0
    accepted: int = 0
    by_reader: int | None = None

    def add(self, verdict: Verdict) -> None:
        self.documents += 1
        self.accepted += verdict.is_accepted
        if verdict.from_reader is not None:
            self.by_reader = (self.by_reader or 0) + (verdict.is_accepted and bool(verdict.from_reader))

    def __str__(self) -> str:
        return f"{self.accepted} of {self.documents}" + ("" if self.by_reader is None else f" ({self.by_reader} by it)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--set", choices=list(SETS), action="append", help="only this set; may be repeated")
    parser.add_argument("--why", action="store_true", help="name the documents that were judged wrongly, with reasons")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    figures: dict[str, Any] = {}
    for name in options.set or SETS:
        figures[name] = measure(name, list(SETS[name](options.data)), options.why)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(name: str, cases: list[Case], why: bool) -> dict[str, Any]:
    seen = {case.name: read(case.document_type, case.extraction.pages) for case in cases}
    rows: dict[str, dict[str, str]] = {}

    def count(reader: str, cases_: list[Case], verdicts: list[Verdict], is_wanted: bool) -> None:
        tallies = {half: Tally() for half in HALVES}
        for case, verdict in zip(cases_, verdicts, strict=True):
            tallies[HALVES[0] if case.is_tuning_half else HALVES[1]].add(verdict)
            tallies["all"].add(verdict)
            if why and verdict.is_accepted is not is_wanted and (is_wanted or verdict.from_reader != frozenset()):
                found = verdict.validation
                sure = {field: round(found.confidences[field], 2) for field in found.confidences if found.fields[field]}
                line = f"{', '.join(found.reasons) or 'accepted'} {sorted(verdict.from_reader or ())} {sure}"
                print(f"    {reader}: {case.name}: {line}")
        rows[reader] = {half: str(tally) for half, tally in tallies.items()}

    def ask(reader: str, replies: list[tuple[Case, dict[str, Any]]], is_wanted: bool) -> None:
        count(reader, [case for case, _ in replies], judge(replies, seen), is_wanted)

    ask("truthful", [(case, truthful_reply(case)) for case in cases], True)
    answerable = [case for case in cases if is_answerable(case)]
    ask("truthful, answerable", [(case, truthful_reply(case)) for case in answerable], True)
    for lie in LIES:
        ask(f"lying, {lie}", [(case, lying_reply(case, lie)) for case in cases], False)
    for choice in ("any", "best"):
        chosen = [(case, quotable_reply(case, seen[case.name], choice)) for case in answerable]
        ask(f"all that can be quoted, {choice}", chosen, False)
    required = [field for field, rules in cases[0].document_type.fields.items() if rules.required]
    for lie in LIES:
        single = [(case, lying_reply(case, lie, only)) for only in required for case in answerable]
        ask(f"one field wrong, {lie}", single, False)
    for path, models in PATHS.items():
        count(f"{path}: truthful", answerable, walk(answerable, truthful_reply, models), True)
        for lie in LIES:
            count(f"{path}: lying, {lie}", cases, walk(cases, partial(lying_reply, lie=lie), models), False)
    show(name, rows)
    return rows


def quotable_reply(case: Case, seen: DocumentReading, choice: str) -> dict[str, Any]:
    """Every required field wrong of which the document has another value to quote, and the rest true.

    `choice` takes any such value, or the one that a liar who knew the built-in reader would take: its best wrong one.
    """
    reply = truthful_reply(case)
    seed = random.Random(case.name)
    for name, rules in case.document_type.fields.items():
        others = list(wrong_values(case, name)) if rules.required else []
        if others:
            best = max(others, key=lambda wrong: support(case.document_type, seen, name, wrong.value).probability)
            wrong = best if choice == "best" else seed.choice(others)
            evidence = [{"page": wrong.page, "quote": wrong.quote}]
            reply["fields"][name] = {"value": wrong.value, "evidence": evidence, "confidence": SURE}
    return reply


def show(name: str, rows: Mapping[str, Mapping[str, str]]) -> None:
    print(f"\n{name}: documents accepted")
    print("".join(("  ", "reader".ljust(34), *(half.rjust(24) for half in HALVES))))
    for reader, halves in rows.items():
        print("".join(("  ", reader.ljust(34), *(halves[half].rjust(24) for half in HALVES))))


if __name__ == "__main__":
    main()
