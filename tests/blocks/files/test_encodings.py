"""Bytes of text are read in the encoding that they are in."""

import pytest

from blocks.files.encodings import decode

GERMAN = "Die Rechnung über 1.200,00 € für Müller & Söhne ist fällig; Grüße aus Köln, schöne Straße."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_german_text_survives(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding)) == GERMAN


CYRILLIC = "Профиль сообщения: счёт номер 12 на сумму 100 рублей."


@pytest.mark.parametrize("text", [GERMAN, CYRILLIC, "請求書 第十二号 合計 一万円"])
@pytest.mark.parametrize("declared", [None, "utf-8", "iso-8859-1"])
def test_a_broken_byte_of_utf_8_costs_one_character(text: str, declared: str | None) -> None:
    assert decode(text.encode() + b"\n\xff\n", declared) == text + "\n\ufffd\n"
    assert decode(text.encode() + "ü".encode()[:1], declared) == text + "\ufffd"


def test_utf_8_declared_as_latin_1_is_utf_8() -> None:
    assert decode(GERMAN.encode(), "iso-8859-1") == decode(GERMAN.encode(), "windows-1252") == GERMAN


@pytest.mark.parametrize("declared", ["iso-8859-1", "latin-1", "us-ascii", "utf-8", "cp1252", "nonsense"])
def test_cp1252_is_read_whatever_it_is_called(declared: str) -> None:
    assert decode(GERMAN.encode("cp1252"), declared) == GERMAN


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Żółw za 5 zł, płatne", "iso-8859-2"), (CYRILLIC, "koi8-r"), ("株式会社 御中", "iso-2022-jp"), ("發票", "big5")],
)
def test_a_true_declaration_counts(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), encoding) == text


def test_a_page_that_calls_itself_utf_16_in_ascii_is_not() -> None:
    assert decode(b"<meta charset=utf-16>plain", "utf-16") == "<meta charset=utf-16>plain"


def test_no_bytes_are_refused() -> None:
    assert "ok" in decode(b"ok \x81\x8d\xff\xfe")
