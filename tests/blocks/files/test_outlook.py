"""Outlook's messages become mails that say and hold the same."""

import struct
from datetime import UTC, datetime, timedelta
from email.message import Message

import pytest
from compressed_rtf import compress

from blocks.errors import Corrupt
from blocks.files import outlook
from blocks.files.mail_parts import attachments_of
from blocks.files.media_types import MSG
from blocks.files.outlook import as_mail
from blocks.files.recognition import media_type_of
from tests.doubles.outlook_message import attachment, eight_bit, message, msg

TEXTS = {
    outlook.SUBJECT: "Rechnung für März",
    outlook.SENDER: "Jürgen Müller",
    outlook.SENDER_ADDRESS: "j@b.c",
    outlook.TO: "A; B",
    outlook.BODY: "Dear all",
}
SENT_FILETIME = (datetime(2025, 3, 2, 10, tzinfo=UTC) - outlook.EPOCH) // timedelta(microseconds=1) * 10


def body_of(mail: Message) -> Message:
    """The only alternative of a mail's body."""
    (body,) = (part for part in mail.walk() if not part.is_multipart() and not part.get_filename())
    return body


def test_headers_and_body() -> None:
    content = msg(message(TEXTS, sent=SENT_FILETIME))
    assert media_type_of(content) == MSG
    mail = as_mail(content)
    assert str(mail["From"]) == "Jürgen Müller <j@b.c>"
    assert (str(mail["Subject"]), mail["To"]) == ("Rechnung für März", "A; B")
    assert mail["Date"] == "Sun, 02 Mar 2025 10:00:00 +0000"
    body = body_of(mail)
    assert body.get_payload(decode=True) == b"Dear all"


def test_attachments_and_a_message_within() -> None:
    inner = message(
        {outlook.SUBJECT: "inner", outlook.BODY: "deep"}, attachments=[attachment({outlook.NAME: "d.txt"}, b"d")]
    )
    outer = message(TEXTS, attachments=[attachment({outlook.NAME: "Prüfung.pdf"}, b"%PDF-1.4"), attachment({}, inner)])
    bill, forwarded = attachments_of(as_mail(msg(outer)))
    assert (bill.name, bill.content().rstrip(b"\0")) == ("Prüfung.pdf", b"%PDF-1.4")
    assert b"Subject: inner" in forwarded.content()
    assert b"d.txt" in forwarded.content()


@pytest.mark.parametrize(
    ("numbers", "encoding", "text"),
    [
        ({outlook.MESSAGE_CODE_PAGE: 1251, outlook.INTERNET_CODE_PAGE: 65001}, "cp1251", "Счёт за март"),
        ({outlook.INTERNET_CODE_PAGE: 20866}, "koi8-r", "Счёт за март"),
        ({outlook.MESSAGE_CODE_PAGE: 28597}, "iso8859-7", "Τιμολόγιο"),
        ({outlook.MESSAGE_CODE_PAGE: 4711}, "cp1252", "Rechnung für März"),
        ({}, "cp1252", "Rechnung für März"),
    ],
)
def test_texts_in_eight_bits_have_the_code_page_of_their_message(
    numbers: dict[int, int], encoding: str, text: str
) -> None:
    bill = eight_bit(attachment({outlook.NAME: f"{text}.txt"}, b"d"), encoding)
    whole = message({outlook.SUBJECT: text, outlook.BODY: text}, numbers=numbers, attachments=[bill])
    mail = as_mail(msg(eight_bit(whole, encoding)))
    assert (str(mail["Subject"]), body_of(mail).get_payload(decode=True)) == (text, text.encode())
    assert [part.name for part in attachments_of(mail)] == [f"{text}.txt"]


def test_markup_has_the_code_page_of_the_internet_body() -> None:
    numbers = {outlook.MESSAGE_CODE_PAGE: 1252, outlook.INTERNET_CODE_PAGE: 28592}
    mail = as_mail(msg(message({}, {outlook.HTML: "<p>Żółw".encode("iso8859-2")}, numbers=numbers)))
    assert body_of(mail).get_content_charset() == "iso8859-2"


def test_rich_text_stands_in_where_there_is_no_other_body() -> None:
    rich = rb"{\rtf1\ansi only here}"
    mail = as_mail(msg(message({outlook.SUBJECT: "x"}, {outlook.RTF: compress(rich)})))
    body = body_of(mail)
    assert (body.get_content_type(), body.get_payload(decode=True)) == ("text/rtf", rich)


@pytest.mark.parametrize("rich", [b"short", bytes(20), compress(rb"{\rtf1\ansi only here}")[:-4] + b"lost"])
def test_broken_rich_text_is_corrupt(rich: bytes) -> None:
    with pytest.raises(Corrupt, match="its rich text: "):
        as_mail(msg(message({outlook.SUBJECT: "x"}, {outlook.RTF: rich})))


def test_a_file_whose_root_lies_within_itself_is_corrupt() -> None:
    content = bytearray(msg(message(TEXTS)))
    [sector] = struct.unpack_from("<I", content, 48)  # of the directory, behind a header of 512 bytes
    root = 512 * (1 + sector)
    content[root + 66] = 1  # a folder, as those below it are
    struct.pack_into("<I", content, root + 76, 0)  # the first entry below it
    with pytest.raises(Corrupt):
        as_mail(bytes(content))


def test_a_broken_file_is_corrupt() -> None:
    with pytest.raises(Corrupt):
        as_mail(msg(message(TEXTS))[:600])
