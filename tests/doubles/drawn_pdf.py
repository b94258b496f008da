"""PDFs drawn for a test, with reportlab."""

import io
from collections.abc import Callable

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas


def drawn_pdf(*pages: Callable[[Canvas], object], **options: object) -> bytes:
    """A PDF with one page per function, A4 unless `pagesize` says otherwise; the origin is at the bottom left."""
    written = io.BytesIO()
    canvas = Canvas(written, **({"pagesize": A4, "invariant": 1} | options))
    for page in pages:
        canvas.setFont("Helvetica", 10)
        page(canvas)
        canvas.showPage()
    canvas.save()
    return written.getvalue()


def text_page(*lines: str) -> Callable[[Canvas], object]:
    """A page of lines from the top, 14 points apart."""

    def draw(canvas: Canvas) -> None:
        for number, line in enumerate(lines):
            canvas.drawString(50, 780 - 14 * number, line)

    return draw


LETTER = (
    "Dear Ms Example, thank you for your letter of 3 May. We have looked at the matter again",
    "and are glad to tell you that the amount of 1,250.00 EUR will be paid before the end of the",
    "month. Please let us know which account you would like us to use for the transfer. Yours sincerely",
)
