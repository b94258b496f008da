"""The kinds of text: mail, HTML, JSON lines, tables, and plain text."""

import csv
import json
import re
from itertools import islice

from blocks.files.media_types import CSV, EML, HTML, JSONL, MARKDOWN, TEXT

_MAIL_HEADERS = frozenset(
    """
    from to cc bcc subject date received return-path message-id mime-version content-type content-transfer-encoding
    reply-to in-reply-to references sender x-mailer delivered-to resent-from resent-to errors-to newsgroups
    """.split()  # noqa: SIM905 - a list of literals would take thirty lines
)
_HEADER_LINE = re.compile(r"([!-9;-~]+):(?:[ \t]|$)")
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_HTML_TAG = re.compile(r"<(?:html|head|body|table|div|p|span|br|a|h[1-6])\b[^>]*>", re.I)
_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".psv", ".tab"})
_TEXT_SUFFIXES = frozenset({".txt", ".text", ".log", ".md", ".markdown"})
_DELIMITERS = ",;\t|"


def kind_of_text(text: str, suffix: str, *, is_complete: bool) -> str:
    """The media type of a text, of which the head is known; the suffix of its name breaks ties."""
    if _is_mail(text, suffix):
        return EML
    if _HTML_START.match(text) or (suffix in (".html", ".htm", ".xhtml") and _HTML_TAG.search(text)):
        return HTML
    if text.lstrip().startswith("<?xml"):
        return "application/xml"
    json_kind = _json_kind(text, suffix, is_complete=is_complete)
    if json_kind is not None:
        return json_kind
    if suffix in _TABLE_SUFFIXES or (suffix not in _TEXT_SUFFIXES and _is_table(text, is_complete=is_complete)):
        return CSV
    return MARKDOWN if suffix in (".md", ".markdown") else TEXT


def _is_mail(text: str, suffix: str) -> bool:
    """Whether the text begins with a block of mail headers: two known headers, or one where the name ends in .eml."""
    lines = text.split("\n", 100)[:100]
    if lines and lines[0].startswith(("From ", ">From ")):
        lines = lines[1:]
    known = 0
    for position, line in enumerate(lines):
        if not line.strip():
            break
        if line[0] in " \t" and position > 0:
            continue
        header = _HEADER_LINE.match(line.rstrip("\r"))
        if header is None:
            if suffix != ".eml":
                return False
            break
        known += header[1].lower() in _MAIL_HEADERS
    return known >= (1 if suffix == ".eml" else 2)


def _json_kind(text: str, suffix: str, *, is_complete: bool) -> str | None:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    lines = [line for line in text.split("\n") if line.strip()]
    if not is_complete:
        lines = lines[:-1]
    if suffix in (".jsonl", ".ndjson") and lines and _is_json(lines[0]):
        return JSONL
    if len(lines) > 1 and all(_is_json(line) for line in lines[:5]):
        return JSONL
    return "application/json" if not is_complete or _is_json(text) else None


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _is_table(text: str, *, is_complete: bool) -> bool:
    """Whether at least three lines, and nearly all lines, have the same number of cells."""
    delimiter = delimiter_of(text)
    lines = text.splitlines() if is_complete else text.splitlines()[:-1]
    try:
        widths = [len(row) for row in islice(csv.reader(lines, delimiter=delimiter), 50) if row]
    except csv.Error:
        return False
    if len(widths) < 3 or widths[0] < 2:
        return False
    return sum(width == widths[0] for width in widths) >= 0.95 * len(widths)


def delimiter_of(text: str) -> str:
    """The delimiter of a table's text that the first lines agree on best; a comma if they agree on none."""
    lines = [line for line in islice(text.splitlines(), 20) if line.strip()]

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        header = counts[0] if counts else 0
        return sum(count == header and header > 0 for count in counts), header

    best = max(_DELIMITERS, key=agreement)
    return best if agreement(best)[1] else ","
