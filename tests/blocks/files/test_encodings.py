"""Bytes of text are read in the encoding that they are in."""

import pytest

from blocks.files.encodings import decode

GERMAN = "Die Rechnung über 1.200,00 € für Müller & Söhne ist fällig; Grüße aus Köln, schöne Straße."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_german_text_survives(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding)) == GERMAN


def test_no_bytes_are_refused() -> None:
    assert "ok" in decode(b"ok \x81\x8d\xff\xfe")
