"""What becomes of true and of false replies: how many documents are accepted that should be, and that should not.

Each reader's reply goes the way of any model's: the judge, the built-in reader as a witness, confidence, and the
validate stage with the type given. Nothing is asked over a network. A document is answerable where its page shows every
required value and nothing else sends it to review (hidden text). Figures were tuned on the documents of one half, by a
hash of their names; the failures of both were looked at when the rules of blocks/gateway/sums.py were made.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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

from blocks.gateway.model import ModelRequest, Question, Usage
from blocks.gateway.providers.wire import Finish, WireReply
from blocks.gateway.replies.reading import read_reply
from blocks.gateway.witness import Witness, bear_out, witness
from blocks.records import Classification, Document, FieldReading, Scoring, Stage, Status, Validation
from tasks.validate.stage import ValidateStage

SETS: Mapping[str, Callable[[Path], Iterable[Case]]] = {
    "receipts": receipts,
    "einvoices": einvoices,
    "invoice2data": invoice2data,
}


@dataclass(slots=True)
class Tally:
    """How many documents were asked, and accepted; why the others were not."""

    asked: int = 0
    accepted: int = 0
    names: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, case: Case, verdict: Validation) -> None:
        self.asked += 1
        if verdict.status is Status.ACCEPTED:
            self.accepted += 1
            self.names.append(case.name)
        self.reasons.update(verdict.reasons)


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
    seen = {case.name: witness(case.document_type, case.extraction.pages) for case in cases}
    rows: dict[str, dict[str, str]] = {}

    def ask(reader: str, replies: list[tuple[Case, dict[str, Any]]], is_wanted: bool) -> None:
        verdicts = judge(replies, seen)
        halves = {"tuned on": Tally(), "held out": Tally(), "all": Tally()}
        for (case, _), verdict in zip(replies, verdicts, strict=True):
            halves["tuned on" if case.is_tuning_half else "held out"].add(case, verdict)
            halves["all"].add(case, verdict)
            if why and (verdict.status is Status.ACCEPTED) is not is_wanted:
                sure = {one: round(verdict.confidences[one], 2) for one in verdict.confidences if verdict.fields[one]}
                print(f"    {reader}: {case.name}: {', '.join(verdict.reasons) or 'accepted'}  {sure}")
        rows[reader] = {half: f"{tally.accepted} of {tally.asked}" for half, tally in halves.items()}

    ask("truthful", [(case, truthful_reply(case)) for case in cases], True)
    answerable = [case for case in cases if is_answerable(case)]
    ask("truthful, answerable", [(case, truthful_reply(case)) for case in answerable], True)
    for lie in LIES:
        ask(f"lying, {lie}", [(case, lying_reply(case, lie)) for case in cases], False)
    for choice in ("any", "best"):
        chosen = [(case, quotable_reply(case, seen[case.name], choice)) for case in answerable]
        ask(f"all that can be quoted, {choice}", chosen, False)
    required = [one for one, rules in cases[0].document_type.fields.items() if rules.required]
    for lie in LIES:
        single = [(case, lying_reply(case, lie, only)) for only in required for case in answerable]
        ask(f"one field wrong, {lie}", single, False)
    show(name, rows)
    return rows


def quotable_reply(case: Case, seen: Witness, choice: str) -> dict[str, Any]:
    """Every required field wrong of which the document has another value to quote, and the rest true.

    `choice` takes any such value, or the one that a liar who knew the built-in reader would take: its best wrong one.
    """
    told = truthful_reply(case)
    seed = random.Random(case.name)
    for name, rules in case.document_type.fields.items():
        others = list(wrong_values(case, name)) if rules.required else []
        if others:
            best = max(others, key=lambda one: seen.of(name, one.value)[0])
            one = best if choice == "best" else seed.choice(others)
            evidence = [{"page": one.page, "quote": one.quote}]
            told["fields"][name] = {"value": one.value, "evidence": evidence, "confidence": SURE}
    return told


def is_answerable(case: Case) -> bool:
    told = truthful_reply(case)["fields"]
    required = (one for one, rules in case.document_type.fields.items() if rules.required)
    return all(told.get(one) for one in required) and not case.extraction.hidden_text.strip()


def judge(replies: list[tuple[Case, dict[str, Any]]], seen: Mapping[str, Witness]) -> list[Validation]:
    types = {case.document_type.name: case.document_type for case, _ in replies}
    documents = [_document(str(at), case, reply, seen[case.name]) for at, (case, reply) in enumerate(replies)]
    outcomes = {outcome.document_id: outcome for outcome in ValidateStage(types).work(documents)}
    return [Validation.model_validate_json(outcomes[str(at)].payload or b"") for at in range(len(replies))]


def _document(document_id: str, case: Case, reply: dict[str, Any], seen: Witness) -> Document:
    name = case.document_type.name
    readings = bear_out(_readings(case, reply), case.document_type, seen)
    scoring = Scoring(document_type=name, model="reader@1", fields=readings)
    given = Classification(document_type=name, confidence=1.0, method="given")
    inputs = {
        Stage.EXTRACT: case.extraction.model_dump_json().encode(),
        Stage.CLASSIFY: given.model_dump_json().encode(),
        Stage.SCORE: scoring.model_dump_json().encode(),
    }
    return Document(document_id, "file:///x", "text/plain", 1, given_type=name, document_type=name, inputs=inputs)


def _readings(case: Case, reply: dict[str, Any]) -> dict[str, FieldReading]:
    """A reply's readings as the judge lets them pass."""
    request = ModelRequest(document_id="", document_type=case.document_type, pages=case.extraction.pages)
    question = Question(request, run_id="", deadline=time.monotonic() + 60)
    wired = WireReply(text=json.dumps(reply), finish=Finish.STOP, usage=Usage())
    return read_reply(question, "reader", wired).fields


def show(name: str, rows: Mapping[str, Mapping[str, str]]) -> None:
    print(f"\n{name}: documents accepted")
    print(f"  {'reader':<30}{'tuned on':>14}{'held out':>14}{'all':>14}")
    for reader, halves in rows.items():
        print(f"  {reader:<30}{halves['tuned on']:>14}{halves['held out']:>14}{halves['all']:>14}")


if __name__ == "__main__":
    main()
