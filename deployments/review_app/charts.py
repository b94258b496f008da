"""Pictures as plain SVG marks that a template writes, with their numbers as a table.

Of our own: pygal's SVG brings a script and inline styles, matplotlib's inline styles, which the page's Content Security
Policy refuses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10
from typing import Literal

WIDTH, HEIGHT = 440, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 24
ROW = 30
NAMES = 132  # what the names of rows take
LETTERS = 20
BARS_LABELLED = 5
DOTS = 60  # a line through more points has no dot at each


@dataclass(frozen=True, slots=True)
class Mark:
    """A shape or a text. `style` names classes of the style sheet; `text` is a text, or a shape's title.

    `box` is x, y, width, height of a rectangle; x, y, radius of a circle; both ends of a line; x, y of a text.
    """

    shape: Literal["rect", "circle", "line", "path", "text"]
    box: tuple[float, ...] = ()
    style: str = ""
    text: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture. `says` is its text alternative, `empty` what it will show as long as it has nothing to show."""

    key: str
    title: str
    says: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marks: tuple[Mark, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    note: str = ""
    empty: str = ""
    height: int = HEIGHT
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a stacked picture: its name and the height of each part."""

    name: str
    parts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A row of a picture of intervals: from `low` to `high`, with a dot at `at`; `text` stands at its end."""

    name: str
    low: float
    high: float
    at: float
    text: str


def columns(given: Sequence[Column], legend: Sequence[str] = ("",)) -> tuple[Mark, ...]:
    """Columns whose parts stand on each other, with a scale at the left."""
    top = nice(max((sum(column.parts) for column in given), default=0))
    step = (WIDTH - LEFT - RIGHT) / max(len(given), 1)
    marks = list(_scale(top))
    every = max(ceil(len(given) / BARS_LABELLED), 1)
    for number, column in enumerate(given):
        x, below = LEFT + number * step, 0.0
        for part, (height, name) in enumerate(zip(column.parts, legend, strict=True)):
            if height:
                y, tall = _y(below + height, top), _y(0, top) - _y(height, top)
                says = f"{column.name}: {height:,.0f} {name}".strip()
                width = max(step * 0.78, 1)
                marks.append(Mark("rect", _rounded(x + step * 0.11, y, width, max(tall, 0.8)), f"s{part}", says))
            below += height
        if number % every == 0:
            marks.append(Mark("text", _rounded(x + step / 2, HEIGHT - 7), "middle", column.name))
    return tuple(marks)


def area(names: Sequence[str], heights: Sequence[float]) -> tuple[Mark, ...]:
    """A line with the area below it."""
    top = nice(max(heights, default=0))
    step = (WIDTH - LEFT - RIGHT) / max(len(heights) - 1, 1)
    points = [_rounded(LEFT + number * step, _y(height, top)) for number, height in enumerate(heights)]
    line = " L".join(f"{x} {y}" for x, y in points)
    floor_y = round(_y(0, top), 1)
    marks = [
        *_scale(top),
        Mark("path", style="fill", path=f"M{LEFT} {floor_y} L{line} L{points[-1][0]} {floor_y} Z"),
        Mark("path", style="stroke", path=f"M{line}"),
    ]
    marks.append(Mark("text", (LEFT, HEIGHT - 7), "", names[0]))
    marks.append(Mark("text", (WIDTH - RIGHT, HEIGHT - 7), "end", names[-1]))
    return tuple(marks)


def lines(names: Sequence[str], series: Sequence[Sequence[float | None]]) -> tuple[Mark, ...]:
    """A line per series over the same names, with a dot at each value; None leaves a gap."""
    top = nice(max((value for values in series for value in values if value is not None), default=0))
    step = (WIDTH - LEFT - RIGHT) / max(len(names), 1)
    marks = list(_scale(top))
    for number, values in enumerate(series):
        path = ""
        for at, value in enumerate(values):
            if value is None:
                continue
            x, y = _rounded(LEFT + (at + 0.5) * step, _y(value, top))
            is_next = at > 0 and values[at - 1] is not None
            path += f" {'L' if is_next else 'M'}{x} {y}"
            marks.append(Mark("circle", (x, y, 3), f"s{number}", f"{names[at]}: {value:,.0f}"))
        marks.append(Mark("path", style=f"stroke line{number}", path=path.strip()))
    every = max(ceil(len(names) / BARS_LABELLED), 1)
    marks += [
        Mark("text", _rounded(LEFT + (at + 0.5) * step, HEIGHT - 7), "middle", names[at])
        for at in range(0, len(names), every)
    ]
    return tuple(marks)


def bars(
    names: Sequence[str],
    parts: Sequence[Sequence[int]],
    legend: Sequence[str],
    styles: Sequence[str] = ("s0", "bad"),
) -> tuple[Mark, ...]:
    """Lying bars whose parts stand behind each other, with their sum at the end."""
    most = max(map(sum, parts), default=0) or 1
    room = WIDTH - NAMES - 62
    marks = []
    for number, (name, counts) in enumerate(zip(names, parts, strict=True)):
        x, y = float(NAMES), number * ROW + 6
        marks.append(Mark("text", (NAMES - 8, y + 14), "end", short(name)))
        for part, count in enumerate(counts):
            width = room * count / most
            if count:
                says = f"{name}: {count:,} {legend[part]}"
                marks.append(Mark("rect", _rounded(x, y, max(width, 1), 19), styles[part], says))
            x += width
        marks.append(Mark("text", _rounded(x + 6, y + 14), "", f"{sum(counts):,}"))
    return tuple(marks)


def spans(given: Sequence[Span], top: float, unit: Literal["%", "s"], bottom: float = 0.0) -> tuple[Mark, ...]:
    """Intervals below each other on one scale from `bottom` to `top`."""
    room, height = WIDTH - NAMES - 24, len(given) * ROW + 8

    def at(value: float) -> float:
        return NAMES + room * (max(min(value, top), bottom) - bottom) / (top - bottom)

    marks = []
    for part in range(5):
        tick = bottom + (top - bottom) * part / 4
        marks.append(Mark("line", _rounded(at(tick), 0, at(tick), height), "grid" if tick or not bottom else "ideal"))
        label = f"{100 * tick:.3g} %" if unit == "%" else f"{tick:.3g} s"
        marks.append(Mark("text", _rounded(at(tick), height + 15), "middle", label))
    for number, span in enumerate(given):
        y, low, high = number * ROW + 19, at(span.low), at(span.high)
        marks.append(Mark("text", (NAMES - 8, y + 4), "end", short(span.name)))
        marks.append(Mark("rect", _rounded(low, y - 5, max(high - low, 2), 10), "range", f"{span.name}: {span.text}"))
        marks.append(Mark("circle", _rounded(at(span.at), y, 5), "s0", f"{span.name}: {span.text}"))
    return tuple(marks)


def spans_height(count: int) -> int:
    """The height of a picture of so many intervals."""
    return count * ROW + 30


def diagonal(points: Sequence[tuple[float, float, int, str]]) -> tuple[Mark, ...]:
    """Points of a square from 0 to 1 both ways against its diagonal: x, y, count behind it, and what it says.

    The area of a dot grows with its count.
    """
    side, left, top = 176.0, 44.0, 10.0
    most = max((count for _, _, count, _ in points), default=1)
    marks = [Mark("rect", (left, top, side, side), "frame")]
    for part in (0, 0.5, 1):
        marks.append(Mark("text", _rounded(left - 6, top + side * (1 - part) + 4), "end", f"{part:.0%}"))
        marks.append(Mark("text", _rounded(left + side * part, top + side + 16), "middle", f"{part:.0%}"))
    marks.append(Mark("line", (left, top + side, left + side, top), "ideal"))
    for x, y, count, says in points:
        radius = 3 + 7 * (count / most) ** 0.5
        marks.append(Mark("circle", _rounded(left + side * x, top + side * (1 - y), radius), "s0 dot", says))
    return tuple(marks)


def trade(points: Sequence[tuple[float, float, str]], marked: Sequence[Mark]) -> tuple[Mark, ...]:
    """A line through points of two shares, each with what it says; `marked` are circles at shares that stand out."""
    top = share_scale(max([y for _, y, _ in points] + [mark.box[1] for mark in marked], default=0))
    width = WIDTH - LEFT - RIGHT

    def at(x: float, y: float) -> tuple[float, ...]:
        return _rounded(LEFT + width * x, _y(y, top))

    marks = []
    for part in range(5):
        x, y = at(part / 4, top * part / 4)
        marks.append(Mark("line", (LEFT, y, WIDTH - RIGHT, y), "grid"))
        marks.append(Mark("text", (LEFT - 6, y + 4), "end", f"{100 * top * part / 4:.3g} %"))
        marks.append(Mark("text", (x, HEIGHT - 7), "end" if part == 4 else "middle", f"{part / 4:.0%}"))
    places = [at(x, y) for x, y, _ in points]
    marks.append(Mark("path", style="stroke", path="M" + " L".join(f"{x} {y}" for x, y in places)))
    if len(places) <= DOTS:
        marks += [Mark("circle", (*place, 2.5), "s0", says) for place, (*_, says) in zip(places, points, strict=True)]
    marks += [replace(mark, box=(*at(*mark.box[:2]), mark.box[2])) for mark in marked]
    return tuple(marks)


def share_scale(most: float) -> float:
    """The end of a scale of shares."""
    return next(end for end in (0.02, 0.04, 0.1, 0.2, 0.4, 0.6, 1.0) if end >= most or end == 1.0)


def nice(most: float) -> float:
    """The end of a scale: 1, 2, 4, 5 or 10 times a power of ten, at least 4."""
    if most <= 4:
        return 4
    power = 10.0 ** floor(log10(most))
    return next(power * factor for factor in (1, 2, 4, 5, 10) if power * factor >= most)


def short(name: str) -> str:
    """A name that fits beside a picture."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def _scale(top: float) -> Iterator[Mark]:
    for part in range(5):
        y = _y(top * part / 4, top)
        yield Mark("line", _rounded(LEFT, y, WIDTH - RIGHT, y), "grid")
        if part % 2 == 0:
            yield Mark("text", _rounded(LEFT - 6, y + 4), "end", _figure(top * part / 4))


def _figure(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top


def _rounded(*values: float) -> tuple[float, ...]:
    return tuple(round(value, 1) for value in values)
