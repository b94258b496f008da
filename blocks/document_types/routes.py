"""Rules for the route of a type.yaml beyond its schema: every step can be reached, and every name exists."""

from collections.abc import Iterator, Mapping, Sequence

from blocks.records import LOCAL
from blocks.yaml.lines import Mistake, Path
from blocks.yaml.messages import did_you_mean
from blocks.yaml.values import mapping, number, sequence


def check_route(raw: Mapping[str, object], prompts: Mapping[str, str]) -> Iterator[Mistake]:
    """Every mistake in the steps of a route, and in the criteria that steps and written fields depend on."""
    if raw.get("route") == []:
        yield Mistake(("route",), "a route needs at least one step; remove it to use the built-in reader alone")
    steps = [mapping(step) for step in sequence(raw.get("route"))]
    criteria = [mapping(criterion).get("name") for criterion in sequence(mapping(raw.get("rubric")).get("criteria"))]
    for at, step in enumerate(steps):
        here: Path = ("route", at)
        yield from _check_who(step, here)
        yield from _check_prompt(step, here, prompts)
        yield from _check_bounds(step, here)
        for key, part in (("accept", "criteria"), ("when", "criterion_below")):
            yield from _check_grades(mapping(mapping(step.get(key)).get(part)), (*here, key, part), criteria)
    yield from _check_order(steps)
    yield from _check_roles(raw, steps)
    yield from _check_judges(raw)


def _check_who(step: Mapping[str, object], here: Path) -> Iterator[Mistake]:
    model, tier = step.get("model"), step.get("tier")
    if model is not None and tier is not None:
        yield Mistake((*here, "tier"), "a step has either a model or a tier; remove one of them")
    elif model is None and tier is None:
        yield Mistake(here, "a step needs a model or a tier; add model: NAME, tier: cheap or tier: strong")
    if model == LOCAL and step.get("role", "answer") != "answer":
        text = "the built-in reader cross-checks every reply anyway, and writes nothing; name another model"
        yield Mistake((*here, "role"), text)
    if model == LOCAL and step.get("images") is True:
        yield Mistake((*here, "images"), "the built-in reader reads text only; remove images")


def _check_prompt(step: Mapping[str, object], here: Path, prompts: Mapping[str, str]) -> Iterator[Mistake]:
    variant = step.get("prompt")
    if isinstance(variant, str) and variant not in prompts:
        there = ", ".join(sorted(prompts)) or "none"
        yield Mistake((*here, "prompt"), f"there is no prompts/{variant}.md; there are: {there}")


def _check_bounds(step: Mapping[str, object], here: Path) -> Iterator[Mistake]:
    when = mapping(step.get("when"))
    for key in ("pages", "tokens"):
        bounds = sequence(when.get(key))
        lower, upper = (number(bound) for bound in bounds) if len(bounds) == 2 else (None, None)
        if lower is not None and upper is not None and lower > upper:
            text = f"no number is from {lower:g} to {upper:g}; write the smaller number first"
            yield Mistake((*here, "when", key), text)
        elif any(bound is not None and bound < 0 for bound in (lower, upper)):
            yield Mistake((*here, "when", key), f"there are no fewer than 0 {key}; write null for no bound")


def _check_grades(grades: Mapping[str, object], here: Path, criteria: Sequence[object]) -> Iterator[Mistake]:
    for name, min_grade in grades.items():
        if name not in criteria:
            text = f"the rubric has no criterion {name!r}; {did_you_mean(name, criteria)}"
            yield Mistake((*here, name), text if criteria else f"the type has no rubric with a criterion {name!r}")
        grade = number(min_grade)
        if grade is not None and not 0 <= grade <= 1:
            yield Mistake((*here, name), f"{grade:g} is no grade; a grade is a number from 0 to 1")


def _check_order(steps: Sequence[Mapping[str, object]]) -> Iterator[Mistake]:
    """The built-in reader always answers, so no step after it is reached unless it has a condition or `accept`.

    Another model may fail; a step after it is then taken.
    """
    for at, step in enumerate(steps[:-1]):
        if step.get("model") == LOCAL and not step.get("when") and not step.get("accept"):
            text = f"step {at + 1} takes every document and every answer, so this step is never reached; give step "
            yield Mistake(("route", at + 1), f"{text}{at + 1} accept: {{confidence: 0.9}}, or put it last")
            return


def _check_roles(raw: Mapping[str, object], steps: Sequence[Mapping[str, object]]) -> Iterator[Mistake]:
    written = [name for name, field in mapping(raw.get("fields")).items() if mapping(field).get("written") is True]
    for at, step in enumerate(steps):
        role, here = step.get("role"), ("route", at)
        if role not in ("second_opinion", "rewrite"):
            continue
        what = "a second opinion" if role == "second_opinion" else "a rewrite"
        if at == 0:
            yield Mistake((*here, "role"), f"{what} needs an answer before it; put a step that answers first")
        elif not any(before.get("accept") for before in steps[:at]):
            text = (
                f"{what} follows an answer that is not sure enough; give a step before it accept: {{confidence: 0.9}}"
            )
            yield Mistake((*here, "role"), text)
        if role == "rewrite" and not written:
            yield Mistake((*here, "role"), "the type has no field to write; give a text field written: true")


def _check_judges(raw: Mapping[str, object]) -> Iterator[Mistake]:
    fields = mapping(raw.get("fields"))
    for name, value in fields.items():
        field = mapping(value)
        if field.get("written") is True and field.get("type") not in ("text", None):
            yield Mistake(("fields", name, "written"), "only a text can be written; make it type: text")
    for index, value in enumerate(sequence(mapping(raw.get("rubric")).get("criteria"))):
        judged = mapping(value).get("judges")
        if not isinstance(judged, str):
            continue
        here = ("rubric", "criteria", index, "judges")
        if judged not in fields:
            yield Mistake(here, f"the type has no field {judged!r}; {did_you_mean(judged, fields)}")
        elif mapping(fields[judged]).get("written") is not True:
            yield Mistake(here, f"{judged!r} is read from the document, not written; give it written: true")
