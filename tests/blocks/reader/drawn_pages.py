"""Pages drawn word by word, as extraction gives them, in any order of text."""

from blocks.records import Box, Page, Words

HEIGHT = 10.0
LETTER = 5.0

Drawn = tuple[float, float, str]
"""x of the first letter, y of the line's top, and the words of one piece of text."""


def draw(*pieces: Drawn, number: int = 1) -> Page:
    """A page whose text holds the pieces in the order given, a line each, with a box for every word."""
    text = ""
    spans: list[tuple[int, int]] = []
    boxes: list[Box] = []
    for x, y, words in pieces:
        at = x
        for word in words.split(" "):
            start = len(text)
            text += word
            spans.append((start, len(text)))
            boxes.append((at, y, at + LETTER * len(word), y + HEIGHT))
            text += " "
            at += LETTER * (len(word) + 1) - 2
        text = text[:-1] + "\n"
    return Page(
        number=number,
        method="text_layer",
        text=text,
        width=595,
        height=842,
        words=Words(spans=tuple(spans), boxes=tuple(boxes)),
    )


def typed(text: str, number: int = 1) -> Page:
    """A page of plain text."""
    return Page(number=number, method="parsed", text=text)
