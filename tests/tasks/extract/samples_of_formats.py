"""A document of each format that takes its reader through as many branches as a document can."""

import io
import zipfile

import docx
import pptx
import pypdf
import xlsxwriter
from PIL import Image

from blocks.files import media_types, outlook
from blocks.settings import PROJECT_DIR
from tests.doubles.drawn_pdf import LETTER, drawn_pdf, text_page
from tests.doubles.outlook_message import attachment, message, msg

Sample = tuple[str, bytes]


def _picture(form: str, mode: str = "RGB") -> bytes:
    written = io.BytesIO()
    Image.new(mode, (640, 480), 1).save(written, form)
    return written.getvalue()


def _archive(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def _mail() -> bytes:
    text = "Grüße: 5 € für März"
    part = "--x\nContent-Type: text/{}; charset={}\nContent-Transfer-Encoding: 8bit\n\n{}\n"
    kinds = [("plain", "koi8-r"), ("plain", "iso-2022-jp"), ("html", "iso-8859-1")]
    parts = b"".join(
        part.format(kind, encoding, text if kind == "plain" else f"<p>{text}</p>").encode("cp1252", "replace")
        for kind, encoding in kinds
    )
    head = (
        "From: =?iso-8859-2?q?J=FCrgen?= <j@b.c>\nTo: =?gb2312?b?1tA=?=\nSubject: =?utf-8?b?R3LDvMOfZQ==?= für\n"
        "Date: Mon, 2 Mar 2020 10:00:00 +0100\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n"
    )
    scan = "--x\nContent-Type: image/png; name*=utf-8''m%C3%A4rz.png\n\nx\n--x--\n"
    return head.encode("latin-1") + parts + scan.encode()


def _word() -> bytes:
    document = docx.Document()
    document.sections[0].different_first_page_header_footer = True
    document.sections[0].first_page_header.paragraphs[0].text = "first"
    document.add_table(1, 1).cell(0, 0).text = "cell"
    document.add_picture(io.BytesIO(_picture("JPEG")))
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def _slides() -> bytes:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "title"
    slide.shapes.add_table(1, 1, 0, 0, 9_000, 9_000).table.cell(0, 0).text = "cell"
    slide.shapes.add_picture(io.BytesIO(_picture("PNG")), 0, 0)
    slide.notes_slide.notes_text_frame.text = "note"
    written = io.BytesIO()
    presentation.save(written)
    return written.getvalue()


def _sheet() -> bytes:
    written = io.BytesIO()
    with xlsxwriter.Workbook(written) as book:
        book.add_worksheet("Größe").write_row(0, 0, ["text", 1.5, True])
    return written.getvalue()


def _pdf_with_a_file() -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(drawn_pdf(text_page(*LETTER))))
    writer.add_attachment("a.txt", b"attached")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


_OUTLOOK = msg(
    message(
        {outlook.SUBJECT: "Größe", outlook.BODY: "plain"},
        {outlook.HTML: "<p>Größe</p>".encode("cp1252")},
        [attachment({outlook.NAME: "a.pdf"}, b"x")],
        sent=133_853_544_000_000_000,
    )
)
_EPUB = _archive(
    {
        "META-INF/container.xml": b"<c><rootfile full-path='a.opf'/></c>",
        "a.opf": b"<p><manifest><item id='a' href='a.html'/></manifest><spine><itemref idref='a'/></spine></p>",
        "a.html": "<p>Größe</p>".encode(),
    }
)
_ODT = _archive({"content.xml": b"<a xmlns:t='urn:oasis:names:tc:opendocument:xmlns:text:1.0'><t:p>x</t:p></a>"})
_TEXTS = [
    (media_types.TEXT, text.encode(encoding))
    for text, encoding in (
        ("Größe: 5 €, höchstens", "cp1252"),
        ("Żółw za 5 zł, płatne w środę", "cp1250"),
        ("счёт номер двенадцать на сумму сто рублей", "koi8_r"),
        ("請求書 第十二号 合計金額 一万円", "shift_jis"),
        ("text", "utf-16"),
    )
]
_IMAGES = [
    (media_types.PNG, _picture("PNG", "P")),
    (media_types.TIFF, _picture("TIFF")),
    (media_types.AVIF, _picture("AVIF")),
    (media_types.WEBP, _picture("WEBP")),
    (media_types.JPEG_2000, _picture("JPEG2000")),
    (media_types.PNM, _picture("PPM")),
]

SAMPLES: dict[str, tuple[list[str], list[Sample]]] = {
    "tasks.extract.pdf": (["read", "render"], [(media_types.PDF, drawn_pdf(text_page(*LETTER), encrypt="first"))]),
    "tasks.extract.pdf_fallback": (["read", "form_values"], [(media_types.PDF, drawn_pdf(text_page(*LETTER)))]),
    "tasks.extract.image": (["read", "render"], _IMAGES),
    "tasks.extract.heic": (
        ["read", "render"],
        [(media_types.HEIC, (PROJECT_DIR / "tests" / "resources" / "documents" / "scan.heic").read_bytes())],
    ),
    "tasks.extract.plain_text": (["read"], _TEXTS),
    "tasks.extract.html": (
        ["read"],
        [(media_types.HTML, b"<meta charset=koi8-r><table><tr><td>1</table><input value=x>")],
    ),
    "tasks.extract.mail": (["read"], [(media_types.EML, _mail())]),
    "tasks.extract.outlook_mail": (["read"], [(media_types.MSG, _OUTLOOK)]),
    "tasks.extract.word_document": (["read", "render"], [(media_types.DOCX, _word())]),
    "tasks.extract.open_document": (["read"], [("application/vnd.oasis.opendocument.text", _ODT)]),
    "tasks.extract.rich_text": (["read"], [(media_types.RTF, rb"{\rtf1\ansi\ansicpg1251 Gr\'fc\u8364?\par}")]),
    "tasks.extract.spreadsheet": (["read"], [(media_types.XLSX, _sheet())]),
    "tasks.extract.slides": (["read", "render"], [(media_types.PPTX, _slides())]),
    "tasks.extract.book": (["read"], [("application/epub+zip", _EPUB)]),
    "tasks.discover.containers": (
        ["attachments", "outlook_attachments", "archived", "mails", "attached_files"],
        [
            (media_types.EML, _mail()),
            (media_types.MSG, _OUTLOOK),
            (media_types.ZIP, _EPUB),
            (media_types.PDF, _pdf_with_a_file()),
        ],
    ),
}
