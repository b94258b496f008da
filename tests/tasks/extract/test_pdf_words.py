"""The words of a PDF page: their texts, boxes and first characters, however the file places its letters."""

import ctypes
import math
from collections.abc import Callable

import numpy as np
import pypdfium2.raw as pdfium
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from blocks.files.pdf_pages import PageFrame, frame_of, load_page, open_pdf
from tasks.extract import pdf_words
from tasks.extract.pdf_words import PageWords, _is_space, _shows_gap, quarter_turns_of, text_of, words_of
from tests.doubles.drawn_pdf import LETTER, drawn_pdf, text_page


def words(draw: Callable[[Canvas], object]) -> PageWords:
    with open_pdf(drawn_pdf(draw), ()) as document, load_page(document, 1) as page:
        text_page_handle = pdfium.FPDFText_LoadPage(page)
        try:
            return words_of(text_page_handle, frame_of(page))
        finally:
            pdfium.FPDFText_ClosePage(text_page_handle)


def string(text: str, **options: object) -> Callable[[Canvas], object]:
    return lambda canvas: canvas.drawString(50, 700, text, **options)


def test_a_word_has_its_box_and_its_first_character() -> None:
    found = words(string("Sum 12.50"))
    assert found.texts == ["Sum", "12.50"]
    assert found.firsts.tolist() == [0, 4]
    (x0, y0, x1, y1), (next_x0, *_) = found.boxes.tolist()
    assert x0 == pytest.approx(50, abs=0.5)
    assert x1 == pytest.approx(50 + 20.6, abs=0.5)
    assert next_x0 == pytest.approx(x1 + 2.8, abs=0.5)
    assert y0 < A4[1] - 700 - 6 < A4[1] - 700 < y1


def test_words_on_a_line_share_their_height() -> None:
    found = words(string("acme Apply 12,50 ___"))
    assert len(found) == 4
    assert len({(top, bottom) for _, top, _, bottom in found.boxes.tolist()}) == 1


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u3000", "\t"])
def test_spaces_of_every_width_part_words(space: str) -> None:
    codes = np.frombuffer(f"a{space}b".encode("utf-32-le"), np.uint32)
    assert _is_space(codes).tolist() == [False, True, False]


@pytest.mark.parametrize("letter", ["\u00a1", "é", "€", "漢", "\u2010"])
def test_letters_beyond_ascii_are_no_spaces(letter: str) -> None:
    assert not _is_space(np.frombuffer(letter.encode("utf-32-le"), np.uint32)).any()


@pytest.mark.parametrize(("gap_share", "expected"), [(0.05, ["onetwo"]), (0.3, ["one", "two"])])
def test_words_without_a_space_between_are_parted_by_a_gap_that_shows(gap_share: float, expected: list[str]) -> None:
    def draw(canvas: Canvas) -> None:
        text_page(*LETTER)(canvas)
        canvas.drawString(50, 600, "one")
        canvas.drawString(50 + canvas.stringWidth("one") + 10 * gap_share, 600, "two")

    assert words(draw).texts[-len(expected) :] == expected


def test_wide_gaps_all_along_are_one_spaced_out_word() -> None:
    assert words(string("INVOICE", charSpace=2)).texts == ["INVOICE"]


def test_a_jump_to_another_line_parts_words_that_follow_each_other() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(50, 700, "upper")
        canvas.drawString(50 + canvas.stringWidth("upper"), 690, "lower")

    assert words(draw).texts == ["upper", "lower"]


def test_one_digit_above_another_is_a_word_each() -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(2):
            canvas.drawString(50, 700 - 12 * number, str(number))

    assert words(draw).texts == ["0", "1"]


def test_turned_text_stays_whole() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.translate(300, 300)
        canvas.rotate(90)
        canvas.drawString(0, 0, "Confidential draft")

    found = words(draw)
    assert found.texts == ["Confidential", "draft"]
    x0, y0, x1, y1 = found.boxes[0]
    assert y1 - y0 > 3 * (x1 - x0)


@pytest.mark.parametrize(("angle", "turns"), [(0, 0), (90, 1), (180, 2), (270, 3)])
@pytest.mark.parametrize("page_turn", [0, 90])
def test_the_turns_that_put_a_letter_upright_on_the_page_as_shown(angle: int, turns: int, page_turn: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(page_turn)
        canvas.translate(300, 300)
        canvas.rotate(angle)
        canvas.drawString(0, 0, "R")

    with open_pdf(drawn_pdf(draw), ()) as document, load_page(document, 1) as page:
        handle = pdfium.FPDFText_LoadPage(page)
        try:
            found = quarter_turns_of(handle, 0, frame_of(page))
        finally:
            pdfium.FPDFText_ClosePage(handle)
    assert found == (turns - page_turn // 90) % 4


@pytest.mark.parametrize("angle", [-1.0, math.nan])
def test_a_letter_whose_angle_is_not_known_counts_as_upright(angle: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdfium, "FPDFText_GetCharAngle", lambda *_: angle)
    assert quarter_turns_of(None, 0, PageFrame(0, 0, 10, 10, 0)) == 0


@pytest.mark.parametrize("side", [math.inf, -math.inf, math.nan])
def test_letters_without_a_place_have_boxes_of_numbers(side: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def place(_page: object, _index: int, address: int) -> int:
        (ctypes.c_float * 4).from_address(address)[:] = [side] * 4
        return 1

    monkeypatch.setattr(pdf_words, "_GET_LOOSE_BOX", place)
    assert np.isfinite(words(string("one two")).boxes).all()


def test_the_words_that_are_wanted_keep_their_order_boxes_and_characters() -> None:
    found = words(string("one two three"))
    kept = found.where(np.array([True, False, True]))
    assert kept.texts == ["one", "three"]
    assert kept.boxes.tolist() == [found.boxes[0].tolist(), found.boxes[2].tolist()]
    assert kept.firsts.tolist() == [0, 8]
    assert len(kept) == 2


def test_a_page_without_letters_has_no_words() -> None:
    found = words(lambda canvas: canvas.rect(10, 10, 50, 50))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)


def test_the_text_has_one_character_for_each_index() -> None:
    with open_pdf(drawn_pdf(string("Grüße 12")), ()) as document, load_page(document, 1) as page:
        handle = pdfium.FPDFText_LoadPage(page)
        try:
            assert len(text_of(handle)) == pdfium.FPDFText_CountChars(handle)
            assert text_of(handle) == "Grüße 12"
        finally:
            pdfium.FPDFText_ClosePage(handle)


def test_letters_that_overlap_as_in_a_ligature_tear_no_word() -> None:
    gaps = [-6.0] * 5 + [0.0] * 10  # behind an f, in letters of 10 points: a third are ligatures
    boxes, codes = [], []
    for line, gap in enumerate(gaps):
        boxes += [[0.0, 20.0 * line, 3.0, 20.0 * line + 10], [3.0 + gap, 20.0 * line, 8.0 + gap, 20.0 * line + 10]]
        codes += [ord("f"), ord("e")]
    is_apart = np.arange(len(codes) - 1) % 2 == 1
    letters = np.arange(len(codes))
    found = _shows_gap(letters, np.array(codes, np.uint32), np.array(boxes), is_apart, lambda _: 0)
    assert not found.any()
