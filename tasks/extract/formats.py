"""The function that reads each media type in a parser process."""

from blocks.files import media_types

PDF_FALLBACK = "tasks.extract.pdf_fallback:read"
PDF_FORM = "tasks.extract.pdf_fallback:form_values"

READERS: dict[str, str] = {
    media_types.PDF: "tasks.extract.pdf:read",
    media_types.TEXT: "tasks.extract.plain_text:read",
    media_types.MARKDOWN: "tasks.extract.plain_text:read",
    media_types.CSV: "tasks.extract.plain_text:read",
    media_types.JSONL: "tasks.extract.plain_text:read",
    media_types.HTML: "tasks.extract.html:read",
    media_types.EML: "tasks.extract.mail:read",
    media_types.DOCX: "tasks.extract.word_document:read",
} | dict.fromkeys(sorted(media_types.IMAGES), "tasks.extract.image:read")

RENDER = "render"
"""The function that draws a page for OCR, in the modules that read PDF and images."""
