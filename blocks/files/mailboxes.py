"""Mailboxes of the format mbox (RFC 4155): mails one after the other, each after a line that begins with ``From ``."""

import re
from collections.abc import Iterator
from itertools import pairwise

_SEPARATOR = re.compile(rb"(?:\A|\n\r?\n)From [^\r\n]*\d{4}[^\r\n]*\r?\n(?=>?[!-9;-~]+:[ \t\r\n])")
"""The year stands in the separator, and a header below it: no sentence that begins with From has both."""


def is_mailbox(content: bytes) -> bool:
    """Whether there are at least two mails."""
    return content.startswith(b"From ") and len(list(_starts(content, 2))) > 1


def mails_of(content: bytes) -> Iterator[bytes]:
    """Each mail without its separator."""
    starts = [*_starts(content, None), (len(content), len(content))]
    for (_, start), (end, _) in pairwise(starts):
        yield content[start:end].removesuffix(b"\r\n").removesuffix(b"\n")


def _starts(content: bytes, wanted: int | None) -> Iterator[tuple[int, int]]:
    """Where each mail's separator begins, and where it ends."""
    for number, found in enumerate(_SEPARATOR.finditer(content), 1):
        yield found.start(), found.end()
        if number == wanted:
            return
