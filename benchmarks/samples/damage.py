"""What happens to documents on their way: scanners, cameras, passwords, broken downloads, mails and hidden words."""

import io
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

import pypdfium2
from PIL import Image, ImageFilter
from pypdf import PdfReader, PdfWriter

PAPER = 255


def pages_as_images(pdf: bytes, dpi: int) -> list[Image.Image]:
    """The pages of a PDF as greyscale images."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.render(scale=dpi / 72).to_pil().convert("L") for page in document]


def jpeg(image: Image.Image, dpi: int, quality: int = 60) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, dpi=(dpi, dpi), optimize=True)
    return out.getvalue()


def png(image: Image.Image, dpi: int, shades: int = 16) -> bytes:
    out = io.BytesIO()
    image.quantize(shades).save(out, "PNG", dpi=(dpi, dpi), optimize=True)
    return out.getvalue()


def fax_tiff(images: list[Image.Image], dpi: int) -> bytes:
    """A bilevel TIFF of many pages, as a fax or an office scanner writes it (CCITT group 4)."""
    out = io.BytesIO()
    bilevel = [image.point(lambda shade: PAPER if shade > 160 else 0).convert("1") for image in images]
    bilevel[0].save(out, "TIFF", compression="group4", dpi=(dpi, dpi), save_all=True, append_images=bilevel[1:])
    return out.getvalue()


def image_only_pdf(images: list[Image.Image], dpi: int) -> bytes:
    out = io.BytesIO()
    images[0].save(out, "PDF", resolution=dpi, save_all=True, append_images=images[1:], quality=55)
    return out.getvalue()


def skewed(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER)


def rotated(image: Image.Image, quarter_turns: int) -> Image.Image:
    return image.rotate(90 * quarter_turns, expand=True)


def out_of_focus(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(0.6))


def encrypted(pdf: bytes, password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    writer.encrypt(password, algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def truncated(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


def pdf_without_pages() -> bytes:
    out = io.BytesIO()
    PdfWriter().write(out)
    return out.getvalue()


def mail(subject: str, body: str, attachments: dict[str, tuple[str, bytes]]) -> bytes:
    """A mail with attachments: file name to media type and content."""
    message = EmailMessage()
    message["From"] = "Accounts <accounts@example.com>"
    message["To"] = "Invoices <invoices@example.org>"
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime(2025, 3, 3, 9, 30, tzinfo=UTC))
    message["Message-ID"] = "<20250303093000.1@example.com>"
    message.set_content(body)
    for name, (media_type, content) in attachments.items():
        main, sub = media_type.split("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)
    if attachments:
        message.set_boundary("=_winnow_sample")
    return message.as_bytes()
