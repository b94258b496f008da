"""How each media type is read: by which function in a parser process, with which packages."""

from dataclasses import dataclass

from blocks.files import media_types


@dataclass(frozen=True, slots=True)
class Format:
    """`read` is the function, as ``module:function``. A new version of a package makes what it read stale."""

    read: str
    packages: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    media_types.PDF: Format("tasks.extract.pdf:read", ("pypdfium2", "pypdf")),
    media_types.TEXT: Format("tasks.extract.plain_text:read"),
    media_types.MARKDOWN: Format("tasks.extract.plain_text:read"),
    media_types.CSV: Format("tasks.extract.plain_text:read"),
    media_types.JSONL: Format("tasks.extract.plain_text:read"),
    media_types.HTML: Format("tasks.extract.html:read", ("inscriptis",)),
    media_types.EML: Format("tasks.extract.mail:read", ("inscriptis",)),
    media_types.DOCX: Format("tasks.extract.word_document:read", ("python-docx",)),
} | dict.fromkeys(sorted(media_types.IMAGES), Format("tasks.extract.image:read", ("pillow",)))

PDF_FALLBACK = "tasks.extract.pdf_fallback:read"
PDF_FORM = "tasks.extract.pdf_fallback:form_values"
RENDER = "render"
"""The function that draws a page for OCR, in the modules that read PDF and images."""
