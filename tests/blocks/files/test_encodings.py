"""Bytes of text are read in the encoding that they are in."""

import pytest

from blocks.files.encodings import decode

GERMAN = "Die Rechnung über 1.200,00 € für Müller & Söhne ist fällig; Grüße aus Köln, schöne Straße."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
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


FRENCH = "Société Générale, payé à la réception, numéro français, êtes déjà à Orléans."
PORTUGUESE = "Número de fatura: não há isenção; São Paulo, condições à vista."
DANISH = "Faktura nr 12, Ørsted A/S, København, beløb å betale, væsentlig ændring."
SPANISH = "Dirección: Calle Peñón, año, información, según el señor Núñez."
ENGLISH = "The invoice’s total – see “terms” – is £1,240.00. Harrow\xa0& Pike\xa0Ltd ©2025"
POLISH = "Faktura numer dwanaście, spółka Żółw, Łódź, należność do zapłaty."
CZECH = "Faktura číslo dvanáct, Dvořák, Praha, dodavatel: Příliš žluťoučký kůň."
HUNGARIAN = "Számla száma, fizetési határidő, Győr, összesen fizetendő, köszönjük szépen a vásárlást."
TURKISH = "Fatura numarası, İstanbul, ödeme tarihi, müşteri adı, toplam tutar, teşekkür ederiz."
DOS_GERMAN = "Müller & Söhne GmbH\nRechnung Nr. R-1\nKunde: Nordtor Handel GmbH\nNettobetrag 1.240,00 EUR"


@pytest.mark.parametrize("times", [1, 8])
@pytest.mark.parametrize(
    ("text", "encodings"),
    [
        (GERMAN.replace("€", "EUR"), ("cp1252", "iso8859_15", "cp850", "cp437", "mac_roman")),
        (GERMAN, ("cp1252", "iso8859_15", "mac_roman")),
        (DOS_GERMAN, ("cp1252", "cp850", "cp437", "mac_roman")),
        (FRENCH, ("cp1252", "iso8859_15", "cp850", "cp437", "mac_roman")),
        (PORTUGUESE, ("cp1252", "cp850", "mac_roman")),
        (DANISH, ("cp1252", "cp850", "mac_roman")),
        (SPANISH, ("cp1252", "cp850")),
        (ENGLISH, ("cp1252", "mac_roman")),
        (POLISH, ("cp1250", "cp852")),
        (CZECH, ("cp1250", "cp852")),
        (HUNGARIAN, ("cp1250",)),
        (TURKISH, ("cp1254",)),
    ],
)
def test_a_text_of_latin_letters_without_a_declaration(text: str, encodings: tuple[str, ...], times: int) -> None:
    read = {encoding: decode((text * times).encode(encoding)) for encoding in encodings}
    assert read == dict.fromkeys(encodings, text * times)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(CYRILLIC, "cp1251"), (CYRILLIC, "koi8-r"), ("請求書 第十二号 合計 一万円、株式会社 御中。", "shift_jis")],
)
def test_other_scripts_are_not_taken_for_latin(text: str, encoding: str) -> None:
    assert decode((4 * text).encode(encoding)) == 4 * text


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
