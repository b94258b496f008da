"""Makes tests/resources/documents and the provenance table tests/resources/README.md.

    python benchmarks/samples/resources.py

All of them are drawn here, so that the tests need no other folder. One small document per kind of file and per way
in which a file can be broken.
"""

import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import damage
import drawing
from PIL import Image
from plan import FLOUR_INVOICE, HIDDEN_WORDS, ROOF_INVOICE, TEXTS

FOLDER = Path(__file__).resolve().parent.parent.parent / "tests" / "resources"
PASSWORD = "sesame"
HEAD = """# Where the test documents are from

Everything here was made for Winnow's tests by `benchmarks/samples/resources.py`, or written by hand where the note says
so; all persons, firms and numbers are invented. Licence: Apache-2.0, as the rest of the project.

| file | note |
|---|---|
"""
BY_HAND = {
    "document_types/delivery_note": "a sound document type with a field of every awkward kind; written by hand",
}


def _invoice() -> bytes:
    return drawing.invoice_pdf(FLOUR_INVOICE)


def _page(dpi: int = 150) -> Image.Image:
    return damage.pages_as_images(_invoice(), dpi)[0].crop((0, 0, int(8.27 * dpi), int(5.8 * dpi)))


def _saved(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def _gif() -> bytes:
    return _saved(_page(100).quantize(8), "GIF")


def _huge_png() -> bytes:
    """A bomb: 90 kB that decode to 400 megapixels."""
    return _saved(Image.new("1", (20_000, 20_000), 1), "PNG")


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("note.txt", (2025, 1, 1, 0, 0, 0)), "a note in an archive")
    return out.getvalue()


def _text(name: str) -> str:
    return (TEXTS / name).read_text(encoding="utf-8")


def _mail() -> bytes:
    attachments = {
        "invoice.pdf": ("application/pdf", _invoice()),
        "bakery.txt": ("text/plain", _text("receipt_bakery.txt").encode()),
    }
    return damage.mail("Invoice 2025-0117 – März", "Good morning,\n\nthe invoice is attached.\n", attachments)


RESOURCES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "invoice.pdf": ("text PDF of one page; grand total 383.76, IBAN GB33 BUKB 2020 1555 5555 55", _invoice),
    "invoice_hidden_text.pdf": (
        "an invoice with a line in white on white",
        lambda: drawing.invoice_pdf(ROOF_INVOICE, HIDDEN_WORDS),
    ),
    "invoice_image_only.pdf": ("the invoice as an image, no text", lambda: damage.image_only_pdf([_page()], 150)),
    "invoice_encrypted.pdf": (f"AES-256, password {PASSWORD}", lambda: damage.encrypted(_invoice(), PASSWORD)),
    "invoice_truncated.pdf": ("the first 60 % of invoice.pdf", lambda: damage.truncated(_invoice(), 0.6)),
    "no_pages.pdf": ("a PDF without a page", damage.pdf_without_pages),
    "no_bytes.pdf": ("0 bytes", lambda: b""),
    "not_a.pdf": ("text under the name of a PDF", lambda: b"This is no PDF.\n"),
    "scan.png": ("upper half of the invoice, 150 dpi", lambda: damage.png(_page(), 150)),
    "scan.jpg": ("the same as JPEG", lambda: damage.jpeg(_page(), 150)),
    "scan.webp": ("the same as WebP", lambda: _saved(_page(), "WEBP")),
    "scan.bmp": ("the same as bilevel BMP", lambda: _saved(_page(100).convert("1"), "BMP")),
    "scan.gif": ("the same as GIF, 100 dpi", _gif),
    "scan_two_pages.tiff": (
        "the same twice, bilevel, 200 dpi",
        lambda: damage.fax_tiff([_page(200), _page(200)], 200),
    ),
    "scan_skewed.png": ("skewed by 2.5 degrees", lambda: damage.png(damage.skewed(_page(), 2.5), 150)),
    "scan_rotated.png": ("turned by 90 degrees", lambda: damage.png(damage.rotated(_page(), 1), 150)),
    "scan_truncated.jpg": ("the first half of scan.jpg", lambda: damage.truncated(damage.jpeg(_page(), 150), 0.5)),
    "image_bomb.png": ("400 megapixels in 90 kB", _huge_png),
    "receipt.txt": ("a receipt of 12.50 GBP", lambda: _text("receipt_bakery.txt").encode()),
    "receipt_utf16.txt": (
        "the same in UTF-16 with a byte order mark",
        lambda: _text("receipt_bakery.txt").encode("utf-16"),
    ),
    "receipt_latin1.txt": (
        "text in ISO 8859-1",
        lambda: "Café Überblick\nSumme 4,50 €".replace("€", "EUR").encode("latin-1"),
    ),
    "resume.docx": ("a résumé", lambda: drawing.resume_docx(_text("resume_teacher.txt"))),
    "page.html": ("a page with a table", lambda: _text("tickets.html").encode()),
    "mail.eml": ("a mail with two attachments, a PDF and a text; the subject is encoded", _mail),
    "mail_plain.eml": (
        "a mail without attachments",
        lambda: damage.mail("Replacement card", _text("ticket_refund.txt"), {}),
    ),
    "messages.csv": (
        "three rows, the text in the column message",
        lambda: b'id,message\n1,First\n2,"Second, longer"\n3,Third\n',
    ),
    "messages.jsonl": (
        "two rows, the text in message",
        lambda: b'{"id": 1, "message": "First"}\n{"id": 2, "message": "Second"}\n',
    ),
    "archive.zip": ("a kind of file that is not read", _zip),
}


def main() -> int:
    for name, (_, make) in RESOURCES.items():
        target = FOLDER / "documents" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(make())
    notes = {f"documents/{name}": note for name, (note, _) in RESOURCES.items()} | BY_HAND
    rows = (f"| {name} | {note} |" for name, note in sorted(notes.items()))
    (FOLDER / "README.md").write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
