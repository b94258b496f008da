"""Draws the documents that were written for Winnow, and the receipts of which only text and boxes exist."""

import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import docx
import reportlab
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.colors import HexColor, black, white
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

FONT = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
WIDTH, HEIGHT = A4
MARGIN = 56


class _Sheet:
    """A page that is written from the top down."""

    def __init__(self, out: io.BytesIO, title: str) -> None:
        self.canvas = Canvas(out, pagesize=A4, invariant=1)
        self.canvas.setTitle(title)
        self.y = HEIGHT - MARGIN

    def text(self, text: str, size: float = 10, *, bold: bool = False, indent: float = 0, width: float = 0) -> None:
        font = "Helvetica-Bold" if bold else "Helvetica"
        limit = width or WIDTH - 2 * MARGIN - indent
        line = ""
        for word in [*text.split(), None]:
            longer = f"{line} {word}".strip()
            if word is not None and stringWidth(longer, font, size) <= limit:
                line = longer
                continue
            self.canvas.setFont(font, size)
            self.canvas.drawString(MARGIN + indent, self.y, line)
            self.y -= size * 1.35
            line = word or ""

    def gap(self, points: float) -> None:
        self.y -= points

    def rule(self) -> None:
        self.canvas.setStrokeColor(HexColor("#888888"))
        self.canvas.line(MARGIN, self.y + 4, WIDTH - MARGIN, self.y + 4)
        self.y -= 8


def resume_pdf(text: str) -> bytes:
    out = io.BytesIO()
    sheet = _Sheet(out, text.split("\n", 1)[0].title())
    for number, line in enumerate(text.splitlines()):
        if number == 0:
            sheet.text(line, 16, bold=True)
        elif line.startswith("# "):
            sheet.gap(6)
            sheet.text(line[2:], 12, bold=True)
            sheet.rule()
        elif line.startswith("- "):
            sheet.canvas.circle(MARGIN + 4, sheet.y + 3, 1.4, fill=1)
            sheet.text(line[2:], indent=12)
        elif line:
            sheet.text(line)
    sheet.canvas.save()
    return out.getvalue()


def resume_docx(text: str) -> bytes:
    document = docx.Document()
    for number, line in enumerate(text.splitlines()):
        if number == 0:
            document.add_heading(line, level=0)
        elif line.startswith("# "):
            document.add_heading(line[2:], level=1)
        elif line.startswith("- "):
            document.add_paragraph(line[2:], style="List Bullet")
        elif line:
            document.add_paragraph(line)
    return _saved(document)


def letter_docx(text: str) -> bytes:
    document = docx.Document()
    for paragraph in text.split("\n\n"):
        document.add_paragraph(paragraph.strip())
    return _saved(document)


def _saved(document: Any) -> bytes:
    document.core_properties.created = document.core_properties.modified = datetime(2025, 2, 3)  # noqa: DTZ001 - Word's clock has no zone
    document.core_properties.author = "Winnow"
    saved, out = io.BytesIO(), io.BytesIO()
    document.save(saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():  # the same bytes whenever it is drawn
            entry = zipfile.ZipInfo(name, (2025, 2, 3, 0, 0, 0))
            target.writestr(entry, source.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def invoice_pdf(invoice: dict[str, Any], hidden: str = "") -> bytes:
    """An English invoice. `hidden` is printed white on white, where no reader sees it."""
    out = io.BytesIO()
    sheet = _Sheet(out, f"Invoice {invoice['number']}")
    for number, line in enumerate(invoice["seller"]):
        sheet.text(line, 13 if number == 0 else 9, bold=number == 0)
    sheet.gap(14)
    sheet.text("INVOICE", 18, bold=True)
    sheet.gap(4)
    top = sheet.y
    sheet.text("Bill to:", bold=True)
    for line in invoice["buyer"]:
        sheet.text(line)
    bottom, sheet.y = sheet.y, top
    for label, value in invoice["facts"]:
        sheet.canvas.setFont("Helvetica-Bold", 10)
        sheet.canvas.drawString(340, sheet.y, label)
        sheet.canvas.setFont("Helvetica", 10)
        sheet.canvas.drawRightString(WIDTH - MARGIN, sheet.y, value)
        sheet.gap(13.5)
    sheet.y = min(bottom, sheet.y) - 20
    columns = (MARGIN, 330, 430, WIDTH - MARGIN)
    for number, row in enumerate([("Description", "Qty", "Unit price", "Amount"), *invoice["lines"]]):
        sheet.canvas.setFont("Helvetica-Bold" if number == 0 else "Helvetica", 10)
        sheet.canvas.drawString(columns[0], sheet.y, row[0])
        for x, cell in zip(columns[1:], row[1:], strict=True):
            sheet.canvas.drawRightString(x, sheet.y, cell)
        sheet.gap(15)
        if number == 0:
            sheet.rule()
    sheet.rule()
    for label, value in invoice["totals"]:
        sheet.canvas.setFont("Helvetica-Bold" if label.startswith(("Total", "Amount")) else "Helvetica", 10)
        sheet.canvas.drawRightString(columns[2], sheet.y, label)
        sheet.canvas.drawRightString(columns[3], sheet.y, value)
        sheet.gap(14)
    sheet.gap(16)
    for line in invoice["foot"]:
        sheet.text(line, 9)
    if hidden:
        sheet.canvas.setFillColor(white)
        sheet.text(hidden, 7)
        sheet.canvas.setFillColor(black)
    sheet.canvas.save()
    return out.getvalue()


def receipt_image(record: dict[str, Any], width: int) -> Image.Image:
    """A receipt drawn from its text lines, each in the box where the scan had it."""
    size = record["image_size"]
    scale = width / size["width"]
    lowest = max(box[3] for box in record["bboxes"])
    image = Image.new("L", (width, int(lowest * scale) + 40), 250)
    draw = ImageDraw.Draw(image)
    for text, (left, top, right, bottom) in zip(record["words"], record["bboxes"], strict=True):
        font = ImageFont.truetype(FONT, size=max(10, int((bottom - top) * scale * 0.72)))
        wide = draw.textlength(text, font=font)
        room = (right - left) * scale
        if wide > room:
            font = ImageFont.truetype(FONT, size=max(10, int(font.size * room / wide)))
        draw.text((left * scale, top * scale), text, font=font, fill=25)
    return image
