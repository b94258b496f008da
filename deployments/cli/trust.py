"""`winnow trust`: what random labels prove of the rows that are accepted."""

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import UsageError
from deployments.cli.options import DatabaseOption, TypeOption, open_existing
from deployments.cli.output import say
from deployments.cli.review_options import JsonOption
from deployments.cli.words import aligned, counted

if TYPE_CHECKING:
    from blocks.learning.promise import Tested
    from tasks.evaluate.trust import Trust

SHOWN_OFFERS = 8
CAUTION = "Each line holds for itself: to pick the best one of them promises more than was proven."
HEAD = ("accepted from confidence", "of all documents", "could be promised")


def trust(
    document_type: TypeOption = None,
    error: Annotated[
        str, typer.Option("--error", metavar="SHARE", help="at most so many of the accepted rows are wrong")
    ] = "5%",
    certainty: Annotated[str, typer.Option("--certainty", metavar="SHARE", help="how sure that is to be")] = "95%",
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Say what could be promised of accepted rows, and what that needs.

    Only documents that chance drew prove something: random audits of review, and imports with --drawn. Thresholds are
    tested from strict to loose until one fails; the test is exact. Nothing is changed: runs go on by the type's
    accept_at. Look once: who looks again and again until a promise is proven breaks it more often than it says.

    Example: winnow trust --type receipt --error 2%
    """
    from tasks.evaluate.trust import trust_of
    from tasks.runs.prepare import load_types

    wrong, sure = _share("--error", error), _share("--certainty", certainty)
    opened, types = open_existing(database), load_types(document_type)
    names = sorted(types) if document_type is None else [document_type]
    found = [trust_of(opened, types[name], wrong, sure) for name in names]
    if as_json:
        say(json.dumps([_as_json(each) for each in found], ensure_ascii=False))
        return
    shown = [each for each in found if each.drawn or each.waiting or document_type is not None]
    if not shown:
        say("nothing can be proven: no labelled document was drawn by chance; docs/learning.md says how to draw some")
    for number, each in enumerate(shown):
        for line in ("", *_lines(each)) if number else _lines(each):
            say(line)


def _lines(found: "Trust") -> list[str]:
    aim = f"at most {_percent(found.error)} of the accepted rows wrong, {_percent(found.certainty)} sure"
    rest = found.drawn - found.used
    facts = [
        ("labels", f"{counted(found.drawn, 'document')} drawn by chance and decided, or past due"),
        ("", f"{rest:,} left out, so that all had the same chance to be drawn" if rest else ""),
        ("", f"{found.unjudged:,} counted as wrong: a deciding field has no label" if found.unjudged else ""),
        ("waiting", f"{counted(found.waiting, 'drawn document')} not decided and not due yet" if found.waiting else ""),
        ("tested", ", ".join(map(_tested, found.proof.tests[-2:]))),
    ]
    lines = [f"{found.document_type}: {aim}: {_verdict(found)}", ""]
    lines += [f"{name:<10}{text}" for name, text in facts if text]
    if found.offers:
        offers = found.offers[:: max(1, len(found.offers) // SHOWN_OFFERS)]
        rows = [(f"{o.threshold:.3f}", f"{o.accepted:.1%}", f"{float(o.error):.1%} wrong") for o in offers]
        lines += ["", *aligned(HEAD, rows, left=()), CAUTION]
    return lines


def _tested(test: "Tested") -> str:
    return f"{test.wrong} wrong of {test.counted} from {test.threshold:.3f} on"


def _verdict(found: "Trust") -> str:
    if found.proof.threshold is not None:
        return f"proven from confidence {found.proof.threshold:.3f} on, {found.accepted or 0:.1%} of all documents"
    if not found.used:
        return "not proven: no label of a document that chance drew"
    if found.needed is None:
        return "not proven, and no document is sure enough for more labels to help"
    more = found.needed.at_this_rate
    if more is None:
        return "not proven: the surest rows are wrong too often"
    return f"not proven: about {more:,} more documents to draw and label"


def _share(option: str, text: str) -> Fraction:
    """A share between 0 and 1, as `2%` or `0.02`. Raises `UsageError`."""
    try:
        value = Fraction(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"{option} {text} is no share; write 2% or 0.02") from error
    if not 0 < value < 1:
        raise UsageError(f"{option} {text} must be above 0 and below 1; write 2% or 0.02")
    return value


def _percent(share: Fraction) -> str:
    return f"{float(share) * 100:g}%"


def _as_json(found: "Trust") -> dict[str, object]:
    threshold = found.proof.threshold
    plain = found.model_dump(mode="json", exclude={"error", "certainty", "offers"})
    promised = [offer.model_dump(exclude={"error"}) | {"error": float(offer.error)} for offer in found.offers]
    return plain | {
        "error": float(found.error),
        "certainty": float(found.certainty),
        "threshold": threshold,
        "offers": promised,
    }
