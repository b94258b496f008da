"""Lines of Hebrew and Arabic are read from the right."""

import numpy as np
import pytest

from tasks.extract.reading_order import lay_out
from tasks.extract.right_to_left import in_reading_order


@pytest.mark.parametrize(
    ("seen", "read"),
    [
        (["240.00", "לתשלום", "12345", "מספר", "מס", "חשבונית"], "חשבונית מס מספר 12345 לתשלום 240.00"),
        (["Ltd", "of", "Acme"], "Ltd of Acme"),
        (["לכבוד", "Acme", "Ltd", "חברת"], "חברת Acme Ltd לכבוד"),
        (["Total", 'ח"ש', "סכום", "240.00", "due", "now"], 'Total סכום ח"ש 240.00 due now'),
    ],
)
def test_words_of_a_line(seen: list[str], read: str) -> None:
    assert " ".join(seen[place] for place in in_reading_order(seen)) == read


def test_a_page_keeps_its_lines_and_the_gaps_between_cells() -> None:
    words = [("סכום", 200), ("240.00", 40), ("מס", 180)]
    boxes = np.array([[x, 100.0, x + 18 + 8 * (text == "240.00"), 110.0] for text, x in words])
    laid = lay_out([text for text, _ in words], boxes)
    assert laid.text == "סכום מס  240.00"
    assert [laid.text[start:end] for start, end in laid.spans] == ["סכום", "מס", "240.00"]
    assert [box[0] for box in laid.boxes] == [200, 180, 40]
