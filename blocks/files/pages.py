"""Opens a PDF or an image and draws its pages: as gray bitmaps for OCR, as pictures for models.

It parses untrusted bytes: call it in an isolated process.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import from_json, to_json

from blocks.files import media_types

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class GrayImage:
    """A page as 8-bit gray, row by row from the top, no padding. `dpi` is 0 where the file gives no resolution."""

    width: int
    height: int
    dpi: int
    pixels: bytes

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or len(self.pixels) != self.width * self.height:
            raise ValueError(f"{len(self.pixels)} bytes are not a gray image of {self.width} x {self.height}")

    def pack(self) -> bytes:
        """A line of JSON (width, height, dpi), then the pixels."""
        return to_json({"width": self.width, "height": self.height, "dpi": self.dpi}) + b"\n" + self.pixels

    @classmethod
    def unpack(cls, packed: bytes) -> "GrayImage":
        """What `pack` packed."""
        line, _, pixels = packed.partition(b"\n")
        return cls(**from_json(line), pixels=pixels)


class Pages(Protocol):
    """An open file. Pages count from 1.

    Its methods raise `Corrupt` if a page cannot be drawn, `TooLarge` and `TooManyPages` if an image exceeds a limit,
    and MemoryError.
    """

    @property
    def count(self) -> int:
        """How many pages the file has."""
        ...

    def gray(self, number: int, max_pixels: int) -> GrayImage:
        """The page upright, in gray on white paper, at the resolution that suits OCR; coarser above `max_pixels`."""
        ...

    def picture(self, number: int, long_edge: int) -> "Image":
        """The page upright, in colour (RGB) on white paper, its longer side at most `long_edge` pixels."""
        ...


@contextmanager
def open_pages(content: bytes, arguments: Mapping[str, Any]) -> Iterator[Pages]:
    """The pages of a PDF or an image. Arguments: media_type, passwords, max_pages, max_megapixels.

    Raises `Encrypted` and `Corrupt`.
    """
    # Each format's library is loaded where it is needed: a parser of PDF has no use for Pillow's decoders.
    if arguments["media_type"] == media_types.PDF:
        from blocks.files.pdf_pages import PdfPages, open_pdf

        with open_pdf(content, arguments["passwords"]) as document:
            yield PdfPages(document)
    else:
        from blocks.files.image_pages import ImagePages, open_image

        with open_image(content, arguments["media_type"]) as image:
            yield ImagePages(image, arguments["max_pages"], arguments["max_megapixels"])


def render(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `GrayImage`, packed. Arguments: those of `open_pages`, page (from 1), max_pixels."""
    with open_pages(content, arguments) as pages:
        return pages.gray(arguments["page"], arguments["max_pixels"]).pack()
