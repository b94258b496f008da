import codecs

import pytest

from blocks.settings import Settings
from tasks.extract.extract import extract_bytes


@pytest.mark.parametrize("name", ["note.txt", "table.csv", "page.html"])
def test_a_byte_order_mark_is_read_by_a_process_without_rights(name: str) -> None:
    text = {"note.txt": "my card", "table.csv": "id;text\n1;my card\n", "page.html": "<html><p>my card</p></html>"}[
        name
    ]
    extraction, failure = extract_bytes(codecs.BOM_UTF8 + text.encode(), name, Settings())
    assert failure is None
    assert extraction is not None
    assert "my card" in extraction.visible_text
    assert "\ufeff" not in extraction.visible_text
