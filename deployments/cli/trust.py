"""`winnow trust`: what is promised of accepted rows, what proves it, and what it costs."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.lazy_group import COMMAND_OPTIONS, COMMANDS
from deployments.cli.options import DatabaseOption, TypeOption, open_existing, share_of
from deployments.cli.output import say
from deployments.cli.review_options import JsonOption
from deployments.cli.words import aligned, counted, moment

if TYPE_CHECKING:
    from decimal import Decimal

    from blocks.document_types.schema import DocumentType
    from blocks.learning.promise import NeededLabels, Tested
    from tasks.promise.plan import TrustPlan
    from tasks.promise.trust import InUse, Trust, UnitTrust

SHOWN_OFFERS = 8
DEFAULT_ERROR, DEFAULT_CERTAINTY = "5%", "95%"
CAUTION = "Each line holds for itself: to pick the best one of them promises more than was proven."
HEAD = ("accepted from confidence", "of all documents", "could be promised")
PLAN_HEAD = ("accepted from confidence", "to review", "wrong so far", "to draw and label", "at the rate so far")
NO_DRAW = "nothing can be proven: no labelled document was drawn by chance; docs/learning.md says how to draw some"
NOTHING_READ = "no document was read yet: nothing is known to plan by"
ErrorOption = Annotated[
    str | None,
    typer.Option(
        "--error", metavar="SHARE", help="at most so many of the accepted rows are wrong; by default the type's, or 5%"
    ),
]
CertaintyOption = Annotated[
    str | None,
    typer.Option("--certainty", metavar="SHARE", help="how sure that is to be; by default the type's, or 95%"),
]

app = typer.Typer(help=COMMANDS["trust"].help, invoke_without_command=True, **COMMAND_OPTIONS)


@app.callback()
def trust(
    context: typer.Context,
    document_type: TypeOption = None,
    error: ErrorOption = None,
    certainty: CertaintyOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """What is promised of accepted rows, and what proves it.

    Only documents that chance drew prove something: random audits of review, and imports with --drawn. Thresholds are
    tested from strict to loose until one fails; the test is exact. Runs look by themselves, by what a type.yaml has in
    `review: {accept: {error: 5%}}`; this command shows what they found, and what a single look would prove today. Look
    once: who looks again and again until a promise is proven breaks it more often than it says.

    Example: winnow trust --type receipt --error 2%
    """
    if context.invoked_subcommand is not None:
        return
    from blocks.document_types.review_rules import AcceptRules
    from tasks.promise.trust import trust_of
    from tasks.reading_run import reading_run

    asked = _asked(error, certainty)
    opened = open_existing(database)
    types = _types(document_type)
    run = reading_run() if any(each.review.accept for each in types) else None
    found = []
    for each in types:
        own = each.review.accept
        rules = (own or AcceptRules(error=DEFAULT_ERROR)).model_copy(update=asked)
        basis = run.basis(each.name) if run is not None and own is not None else None
        found.append(trust_of(opened, each, rules, basis))
    if as_json:
        say(json.dumps([_as_json(each) for each in found], ensure_ascii=False))
        return
    shown = [one for one in found if one.drawn or one.waiting or one.is_asked or document_type is not None]
    if not shown:
        say(NO_DRAW)
    _say_apart([_lines(one) for one in shown])


@app.command()
def plan(
    document_type: TypeOption = None,
    error: ErrorOption = None,
    certainty: CertaintyOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Say how many labels and how many reviews a promise costs.

    For each confidence from which on rows could be accepted: the share of documents that go to people there, and how
    many more documents chance must draw, and people label, until the promise is proven - if no accepted row is wrong,
    and if they are wrong as often as so far. The first look of runs counts.

    Example: winnow trust plan --type receipt --error 1%
    """
    from blocks.document_types.review_rules import AcceptRules
    from tasks.promise.plan import plan_of

    asked = _asked(error, certainty)
    opened = open_existing(database)
    plans = []
    for each in _types(document_type):
        rules = each.review.accept or AcceptRules(error=DEFAULT_ERROR)
        plans.append(plan_of(opened, each, rules.model_copy(update=asked)))
    if as_json:
        say(json.dumps([each.model_dump(mode="json") for each in plans], ensure_ascii=False))
        return
    shown = [one for one in plans if one.documents or document_type is not None]
    if not shown:
        say(NOTHING_READ)
    _say_apart([_plan_lines(one) for one in shown])


def _say_apart(parts: list[list[str]]) -> None:
    for number, lines in enumerate(parts):
        for line in ("", *lines) if number else lines:
            say(line)


def _asked(error: str | None, certainty: str | None) -> "dict[str, Decimal]":
    given = {"error": error, "certainty": certainty}
    return {name: share_of(f"--{name}", text) for name, text in given.items() if text is not None}


def _types(document_type: str | None) -> "list[DocumentType]":
    from tasks.runs.prepare import load_types

    types = load_types(document_type)
    return [types[name] for name in (sorted(types) if document_type is None else [document_type])]


def _lines(found: "Trust") -> list[str]:
    from tasks.promise.words import aim_words

    rest = found.drawn - found.used
    facts = [
        ("in use", _in_use(found)),
        ("", _watched(found.in_use) if found.in_use else ""),
        ("one look", f"would say today: {_verdict(found)}" if found.is_asked else ""),
        ("labels", f"{counted(found.drawn, 'document')} drawn by chance and decided, or past due"),
        ("", f"{rest:,} left out: they choose the thresholds, or had another chance to be drawn" if rest else ""),
        ("", f"{found.unjudged:,} counted as wrong: a deciding field has no label" if found.unjudged else ""),
        ("", f"{found.mended:,} counted as wrong: they were, before the type changed" if found.mended else ""),
        (
            "",
            f"{found.other_basis:,} left out until all are read again: the type, the reader or the models have changed"
            if found.other_basis
            else "",
        ),
        ("waiting", f"{counted(found.waiting, 'drawn document')} not decided and not due yet" if found.waiting else ""),
    ]
    verdict = _state(found) if found.is_asked else _verdict(found)
    lines = [f"{found.document_type}: {aim_words(found.rules)}: {verdict}", ""]
    lines += [f"{name:<10}{text}" for name, text in facts if text]
    for unit in found.units:
        lines += _unit_lines(unit)
    return lines


def _unit_lines(unit: "UnitTrust") -> list[str]:
    tested = ", ".join(map(_tested, unit.proof.tests[-2:]))
    lines = [f"{'tested':<10}{f'{unit.name}: ' if unit.name else ''}{tested}"] if tested else []
    if unit.offers:
        offers = unit.offers[:: max(1, len(unit.offers) // SHOWN_OFFERS)]
        rows = [(f"{o.threshold:.3f}", f"{o.accepted:.1%}", f"{float(o.error):.1%} wrong") for o in offers]
        lines += ["", *aligned(HEAD, rows, left=()), CAUTION]
    return lines


def _state(found: "Trust") -> str:
    """Whether runs accept by it."""
    return "in use" if found.in_use is not None and found.in_use.is_kept else "not proven so far"


def _in_use(trust: "Trust") -> str:
    from tasks.promise.words import threshold_words

    found = trust.in_use
    if found is None:
        return "nothing: no run has looked at the labels yet" if trust.is_asked else ""
    own, when = found.learned, moment(found.learned.made_at)
    if found.is_kept:
        return f"no. {own.learned_id} since {when}, look {found.looks}: {threshold_words(found.promise)}"
    state = {
        "used": f"nothing: no. {own.learned_id} of {when} was proven before the type, the reader or the models changed",
        "refused": f"nothing: look {found.looks} of {when} proved nothing",
        "closed": f"nothing: the alarm closed no. {own.learned_id} of {when}, since too many of its audits were wrong",
        "rolled_back": f"nothing: {own.changed_by} took no. {own.learned_id} of {when} back",
    }[str(own.state)]
    more = f"; runs look again at {counted(found.next_look, 'label')}" if found.next_look else ""
    return state + more


def _watched(found: "InUse") -> str:
    watched = found.watched
    if watched is None:
        return ""
    drifted = ""
    if found.drift is not None:
        gap, p_value = found.drift.gap, found.drift.p_value
        drifted = f"; scores have moved by {gap:.2f} (by chance in {p_value:.1%} of cases)"
    waiting = f", {watched.waiting:,} wait behind the first undecided one" if watched.waiting else ""
    return f"since then {watched.wrong} of {counted(watched.audits, 'audit')} wrong{waiting}{drifted}"


def _tested(test: "Tested") -> str:
    return f"{test.wrong} wrong of {test.counted} from {test.threshold:.3f} on"


def _verdict(found: "Trust") -> str:
    if all(unit.proof.threshold is not None for unit in found.units):
        from tasks.promise.trust import share_accepted

        where = max(unit.proof.threshold or 0.0 for unit in found.units)
        return f"proven from confidence {where:.3f} on, {share_accepted(found) or 0:.1%} of all documents"
    if not found.used:
        return "not proven: no label of a document that chance drew"
    missing = [unit.needed for unit in found.units if unit.proof.threshold is None]
    if None in missing:
        return "not proven: no label that counts reaches the confidences that are tested"
    more = [needed.at_this_rate for needed in missing if needed is not None]
    if None in more:
        return "not proven: the surest rows are wrong too often"
    most = max(number for number in more if number is not None)
    return f"not proven: about {most:,} more documents to draw and label"


def _plan_lines(found: "TrustPlan") -> list[str]:
    from tasks.promise.words import aim_words

    lines = [f"{found.document_type}: {aim_words(found.rules)}", ""]
    if not found.thresholds:
        return [*lines, NOTHING_READ]
    labelled = f"{counted(found.labelled, 'document')} of {found.documents:,} drawn by chance and labelled"
    lines.append(f"{labelled}; runs look first at {found.first_look:,}")
    if found.audit:
        lines.append(f"its audit of {found.audit:.3g} draws one of {1 / found.audit:,.0f} documents")
    else:
        lines.append("it draws none: write review: {audit: 5%} into its type.yaml")
    rows = [
        (
            f"{each.threshold:.2f}",
            f"{each.review:.1%}",
            f"{each.wrong} of {each.counted}",
            f"{each.needed.without_errors:,}",
            _at_this_rate(each.needed),
        )
        for each in found.thresholds
    ]
    return [*lines, "", *aligned(PLAN_HEAD, rows, left=())]


def _at_this_rate(needed: "NeededLabels") -> str:
    return "wrong too often" if needed.at_this_rate is None else f"{needed.at_this_rate:,}"


def _as_json(found: "Trust") -> dict[str, object]:
    plain = found.model_dump(mode="json", exclude={"units": {"__all__": {"offers"}}, "in_use": {"promise"}})
    for unit, shown in zip(found.units, plain["units"], strict=True):
        shown["threshold"] = unit.proof.threshold
        shown["offers"] = [o.model_dump(exclude={"error"}) | {"error": float(o.error)} for o in unit.offers]
    plain["rules"] = {**plain["rules"], "error": float(found.rules.error), "certainty": float(found.rules.certainty)}
    if found.in_use is not None:
        plain["in_use"]["learned"] = found.in_use.learned.model_dump(mode="json", exclude={"content"})
        plain["in_use"]["threshold"] = found.in_use.promise.threshold
    return dict(plain)
