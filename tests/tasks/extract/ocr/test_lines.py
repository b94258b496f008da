from tasks.extract.ocr.engine import RawWord, parse_tsv
from tasks.extract.ocr.lines import lay_out


def word(text: str, x0: int, y0: int, line: int, confidence: float = 0.9) -> RawWord:
    return RawWord(text, x0, y0, x0 + 10 * len(text), y0 + 18, (line, 1, 1), confidence)


def test_label_and_value_of_two_blocks_stand_on_one_line_with_a_wide_gap() -> None:
    laid = lay_out([word("Total", 0, 100, 1), word("due", 60, 101, 1), word("9.00", 600, 102, 2)], 0.5)
    assert laid.text == "Total due  9.00"


def test_lines_come_from_top_to_bottom_whatever_the_engine_order() -> None:
    laid = lay_out([word("below", 0, 200, 1), word("above", 0, 100, 2)], 1.0)
    assert laid.text == "above\nbelow"


def test_lines_that_only_graze_each_other_stay_two() -> None:
    laid = lay_out([word("first", 0, 100, 1), word("second", 200, 114, 2)], 1.0)
    assert laid.text == "first\nsecond"


def test_words_over_each_other_are_not_one_line() -> None:
    laid = lay_out([word("stamp", 0, 100, 1), word("under", 20, 104, 2)], 1.0)
    assert laid.text == "stamp\nunder"


def test_spans_cut_the_words_out_of_the_text_and_boxes_are_points() -> None:
    laid = lay_out([word("Total", 0, 100, 1), word("9.00", 600, 102, 2), word("EUR", 0, 300, 3)], 0.5)
    assert [laid.text[start:end] for start, end in laid.words.spans] == ["Total", "9.00", "EUR"]
    assert laid.words.boxes[1] == (300.0, 51.0, 320.0, 60.0)


def test_confidence_counts_characters_not_words() -> None:
    laid = lay_out([word("abcdefgh", 0, 0, 1, 1.0), word("xy", 200, 0, 1, 0.0)], 1.0)
    assert laid.confidence == 0.8


def test_a_page_without_words_is_empty_and_has_no_confidence() -> None:
    laid = lay_out([], 1.0)
    assert (laid.text, laid.words.spans, laid.confidence) == ("", (), 0.0)


def test_signs_read_for_bullets_become_bullets_and_a_copyright_or_price_stays() -> None:
    items = [word("¢", 0, 0, 1), word("Skills", 20, 0, 1), word("©", 400, 0, 2), word("Tools", 420, 0, 2)]
    assert lay_out(items, 1.0).text == "• Skills  • Tools"
    assert lay_out([word("©", 0, 0, 1), word("2019", 20, 0, 1)], 1.0).text == "© 2019"
    assert lay_out([word("Acme", 0, 0, 1), word("®", 45, 0, 1), word("tools", 60, 0, 1)], 1.0).text == "Acme ® tools"


def test_tsv_keeps_words_only_and_bounds_confidence() -> None:
    tsv = "\n".join(
        [
            "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext",
            "4\t1\t1\t1\t1\t0\t5\t6\t70\t8\t-1\t",
            "5\t1\t1\t1\t1\t1\t5\t6\t70\t8\t96.5\tTotal",
            "5\t1\t1\t1\t1\t2\t80\t6\t10\t8\t95\t ",
            "5\t1\t2\t1\t3\t1\t5\t6\t70\t8\tnan\tnoise",
        ]
    )
    assert parse_tsv(tsv) == [
        RawWord("Total", 5, 6, 75, 14, (1, 1, 1), 0.965),
        RawWord("noise", 5, 6, 75, 14, (2, 1, 3), 0.0),
    ]
