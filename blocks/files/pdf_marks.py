"""What tells, without a parser, that a PDF may hold files."""

MARKS = (b"/EmbeddedFile", b"/FileAttachment", b"/Filespec")
"""At least one of them stands in clear in a PDF with files: a file is a stream, whose dictionary cannot be packed."""


def may_hold_files(content: bytes) -> bool:
    """Whether a PDF may hold files: cheap, without a parser."""
    return any(mark in content for mark in MARKS)
