"""Images: which frames are pages, what is refused before decoding, and gray bitmaps that OCR can read."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin
from pydantic_core import from_json

from blocks.errors import Corrupt, TooLarge, TooManyPages
from blocks.files.image_pages import may_show_page
from blocks.files.pages import GrayImage
from blocks.isolation.isolation import Isolation
from blocks.settings import PROJECT_DIR, Settings
from tasks.extract import image
from tasks.extract.reading import unpack

LIMITS: dict[str, Any] = {
    "media_type": "image/x",
    "passwords": [],
    "max_pages": 10,
    "max_megapixels": 1,
    "max_pixels": 10**6,
    "page": 1,
}


def saved(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, form, **options)
    return written.getvalue()


def pages_of(content: bytes, **limits: object) -> tuple[int, ...]:
    return unpack(image.read(content, LIMITS | limits))[0].ocr_pages


def half_dark(mode: str, dark: object, light: object, size: tuple[int, int] = (40, 20)) -> Image.Image:
    picture = Image.new(mode, size, light)  # type: ignore[arg-type]
    picture.paste(dark, (0, 0, size[0] // 2, size[1]))  # type: ignore[arg-type]
    return picture


def test_every_page_of_a_tiff_and_no_thumbnail() -> None:
    thumbnail = TiffImagePlugin.ImageFileDirectory_v2()
    thumbnail[254] = 1
    written = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(written) as writer:
        for ifd in (None, thumbnail, None):
            Image.new("L", (30, 30), 200).save(writer, "TIFF", tiffinfo=ifd or TiffImagePlugin.ImageFileDirectory_v2())
            writer.newFrame()
    content = written.getvalue()
    assert pages_of(content) == (1, 2)


def test_the_right_frame_is_drawn() -> None:
    frames = [Image.new("L", (10 * number, 10), 255) for number in (1, 2, 3)]
    content = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    widths = [GrayImage.unpack(image.render(content, LIMITS | {"page": page})).width for page in (1, 2, 3)]
    assert widths == [10, 20, 30]


def test_an_animation_is_one_page() -> None:
    frames = [Image.new("P", (10, 10), number) for number in range(4)]
    assert pages_of(saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)) == (1,)


def test_a_bomb_is_refused_by_its_header() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )
    with pytest.raises(TooLarge, match="3,600,000,000"):
        pages_of(bomb)
    with pytest.raises(TooLarge):
        image.render(bomb, LIMITS)


def test_the_size_of_every_page_is_looked_at_before_it_is_decoded() -> None:
    small, large = Image.new("1", (10, 10)), Image.new("1", (2_000, 2_000))
    tiff = saved(small, "TIFF", save_all=True, append_images=[large, small])
    with pytest.raises(TooLarge, match="4,000,000"):
        pages_of(tiff)
    with pytest.raises(TooLarge):
        image.render(tiff, LIMITS | {"page": 2})
    # A canvas of 60,000 by 60,000 and two frames without a pixel: Pillow would decode the first to reach the second.
    frame = b"," + struct.pack("<4HB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x4c\x01\x00"
    gif = b"GIF89a" + struct.pack("<2H3B", 60_000, 60_000, 0x80, 0, 0) + bytes(6) + 2 * frame + b";"
    with pytest.raises(TooLarge, match="3,600,000,000"):
        pages_of(gif)


def test_too_many_pages_and_broken_files() -> None:
    frames = [Image.new("L", (5, 5), number) for number in range(4)]
    content = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    with pytest.raises(TooManyPages):
        pages_of(content, max_pages=3)
    with pytest.raises(Corrupt):
        pages_of(b"\x89PNG\r\n\x1a\n and then nothing")
    with pytest.raises(Corrupt):
        image.render(saved(Image.effect_noise((200, 200), 50), "JPEG")[:2_000], LIMITS)


@pytest.mark.parametrize(
    ("mode", "dark", "light"),
    [
        ("1", 0, 1),
        ("L", 0, 255),
        ("I;16", 0, 65_535),
        ("RGB", (0, 0, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 255), (0, 0, 0, 0)),
        ("LA", (0, 255), (0, 0)),
    ],
)
def test_every_mode_becomes_black_on_white(mode: str, dark: object, light: object) -> None:
    drawn = GrayImage.unpack(image.render(saved(half_dark(mode, dark, light)), LIMITS))
    assert (drawn.pixels[0], drawn.pixels[39]) == (0, 255)


def test_cmyk_ink_is_dark() -> None:
    picture = half_dark("CMYK", (0, 0, 0, 255), (0, 0, 0, 0))
    drawn = GrayImage.unpack(image.render(saved(picture, "TIFF"), LIMITS))
    assert drawn.pixels[0] < 20
    assert drawn.pixels[39] > 235


def test_the_orientation_of_a_camera_is_undone() -> None:
    picture = half_dark("L", 0, 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn = GrayImage.unpack(image.render(saved(picture, "JPEG", exif=exif, quality=95), LIMITS))
    assert (drawn.width, drawn.height) == (20, 40)
    assert drawn.pixels[0] < 30
    assert drawn.pixels[-1] > 225


def test_resolution_is_kept_where_it_makes_sense() -> None:
    def dpi_of(*dpi: float) -> int:
        return GrayImage.unpack(image.render(saved(Image.new("L", (40, 20), 255), "TIFF", dpi=dpi), LIMITS)).dpi

    assert dpi_of(200, 200) == 200
    assert dpi_of(1, 1) == 0
    fax = GrayImage.unpack(image.render(saved(Image.new("L", (408, 98), 255), "TIFF", dpi=(204, 98)), LIMITS))
    assert (fax.width, fax.height, fax.dpi) == (408, 204, 204)


def test_large_pages_are_reduced() -> None:
    head = image.render(saved(Image.new("L", (1_000, 500), 255), dpi=(300, 300)), LIMITS | {"max_pixels": 125_000})
    line, _, pixels = head.partition(b"\n")
    assert from_json(line) == {"width": 500, "height": 250, "dpi": 150}
    assert len(pixels) == 125_000


def test_an_animation_shows_its_first_frame_with_something_on_it() -> None:
    frames = [Image.new("L", (40, 20), 255), half_dark("L", 0, 255), half_dark("L", 255, 0)]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    drawn = GrayImage.unpack(image.render(content, LIMITS))
    assert (drawn.pixels[0], drawn.pixels[39]) == (0, 255)


def test_white_letters_without_a_background_are_seen() -> None:
    drawn = GrayImage.unpack(image.render(saved(half_dark("RGBA", (255, 255, 255, 255), (255, 255, 255, 0))), LIMITS))
    assert (drawn.pixels[0], drawn.pixels[39]) == (255, 0)


@pytest.mark.parametrize("module", ["image", "heic"])
def test_decoders_that_start_threads_work_in_an_isolated_process(module: str) -> None:
    if module == "heic":
        content = (PROJECT_DIR / "tests" / "resources" / "documents" / "scan.heic").read_bytes()
    else:
        content = saved(half_dark("RGB", (0, 0, 0), (255, 255, 255), (640, 480)), "AVIF")
    isolation = Isolation(Settings(processes=1))
    try:
        drawn = GrayImage.unpack(isolation.run(f"tasks.extract.{module}:render", content, LIMITS, 20))
    finally:
        isolation.close()
    assert (drawn.width, drawn.height) == (640, 480)
    assert min(drawn.pixels) < 50


def test_a_picture_may_show_a_page_if_it_is_large_on_both_sides() -> None:
    sizes = {(827, 1_169): True, (640, 480): True, (1_200, 300): False, (300, 400): False}
    for size, expected in sizes.items():
        assert may_show_page(saved(Image.new("1", size))) == expected
    assert not may_show_page(b"no picture")
