import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from blocks.errors import Corrupt, SourceChanged
from blocks.files import media_types
from blocks.files.page_images import LONG_EDGE_PIXELS, MAX_PAGES, draw_page, draw_pages
from blocks.isolation.isolation import shared_isolation
from blocks.records import Document, Page, PageImage
from blocks.settings import Settings
from tasks.extract.extract import extract_bytes

SETTINGS = Settings(processes=1)


@pytest.fixture(autouse=True, scope="module")
def _isolation() -> Iterator[None]:
    yield
    shared_isolation(SETTINGS).close()


def document(path: Path, media_type: str) -> Document:
    content = path.read_bytes()
    return Document(hashlib.sha256(content).hexdigest(), str(path), media_type, len(content))


def pages(count: int) -> list[Page]:
    return [Page(number=number, method="ocr", text="") for number in range(1, count + 1)]


def no_part(document_id: str) -> bytes:
    raise KeyError(document_id)


def drawn(path: Path, count: int) -> Iterator[Image.Image]:
    from pypdfium2 import PdfDocument

    pdf = PdfDocument.new()
    for _ in range(count):
        pdf.new_page(595, 842)
    pdf.save(path)
    for one in draw_pages(document(path, media_types.PDF), pages(count), SETTINGS, no_part):
        image = Image.open(BytesIO(one.content))
        assert (one.media_type, image.format, image.size) == (media_types.JPEG, "JPEG", (one.width, one.height))
        yield image


def test_the_first_pages_of_a_pdf_are_drawn_within_bounds(tmp_path: Path) -> None:
    images = list(drawn(tmp_path / "a.pdf", MAX_PAGES + 2))
    assert len(images) == MAX_PAGES
    assert {max(image.size) for image in images} == {LONG_EDGE_PIXELS}


@pytest.mark.parametrize(("size", "mode"), [((4000, 3000), "RGB"), ((300, 200), "RGBA"), ((300, 200), "I;16")])
def test_an_image_is_scaled_down_and_never_up(tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    path = tmp_path / "a.png"
    Image.new(mode, size).save(path)
    (one,) = draw_pages(document(path, media_types.PNG), pages(1), SETTINGS, no_part)
    assert max(one.width, one.height) == min(max(size), LONG_EDGE_PIXELS)
    assert one.page == 1


def test_every_page_of_a_tiff_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    frames = [Image.new("L", (100 + n, 80), n * 80) for n in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    found = draw_pages(document(path, media_types.TIFF), pages(3), SETTINGS, no_part)
    assert [(one.page, one.width) for one in found] == [(1, 100), (2, 101), (3, 102)]


def test_what_has_no_pages_to_look_at_has_no_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Day: 1 May 2024")
    assert draw_pages(document(path, media_types.TEXT), pages(1), SETTINGS, no_part) == ()


def test_the_bytes_of_a_part_come_from_its_keeper_and_bad_ones_cost_that_document_only(tmp_path: Path) -> None:
    part = Document("p", "mail.eml", media_types.PNG, 3, parent_id="mail", part="attachment:1")
    target = BytesIO()
    Image.new("L", (10, 20)).save(target, "PNG")
    (one,) = draw_pages(part, pages(1), SETTINGS, lambda document_id: target.getvalue() if document_id == "p" else b"")
    assert (one.width, one.height) == (10, 20)
    with pytest.raises(Corrupt):
        draw_pages(part, pages(1), SETTINGS, lambda _: b"no image")
    path = tmp_path / "a.png"
    path.write_bytes(target.getvalue())
    changed = document(path, media_types.PNG)
    path.write_bytes(b"other")
    with pytest.raises(SourceChanged):
        draw_pages(changed, pages(1), SETTINGS, no_part)


SAMPLES = Path(__file__).parents[3] / "data" / "samples"


@pytest.mark.parametrize(
    "name",
    ["receipt/X51007103675_upside_down.jpg", "invoice/scan_rotated.jpg", "invoice/scan_skewed.png"],
)
def test_a_page_for_people_stands_as_it_was_read_so_that_the_boxes_of_its_words_fit(name: str) -> None:
    path = SAMPLES / name
    read, failure = extract_bytes(path.read_bytes(), str(path), SETTINGS)
    assert read is not None, failure
    page = read.pages[0]
    assert page.rotation_degrees or page.skew_degrees
    found = document(path, media_types.PNG if path.suffix == ".png" else media_types.JPEG)
    picture = draw_page(found, page, 1_800, SETTINGS, no_part)
    as_scanned = draw_page(found, page.model_copy(update=AS_SCANNED), 1_800, SETTINGS, no_part)
    assert picture is not None
    assert as_scanned is not None
    assert picture.width / picture.height == pytest.approx(page.width / page.height, rel=0.01)
    assert ink_in_words(picture, page) > 0.7
    assert ink_in_words(as_scanned, page) < 0.6


AS_SCANNED = {"rotation_degrees": 0, "skew_degrees": 0.0}


def ink_in_words(picture: PageImage, page: Page) -> float:
    """The share of a picture's ink that is in the boxes of the page's words. Rules and logos have the rest."""
    ink = Image.open(BytesIO(picture.content)).convert("L").point([255] * 128 + [0] * 128)
    words = Image.new("L", ink.size)
    across, down = picture.width / page.width, picture.height / page.height
    for x0, y0, x1, y1 in page.words.boxes:
        words.paste(255, (round(x0 * across), round(y0 * down), round(x1 * across), round(y1 * down)))
    return share(ImageChops.multiply(ink, words)) / share(ink)


def share(image: Image.Image) -> float:
    """How much of a picture is white."""
    return image.histogram()[255] / (image.width * image.height)
