"""Outlook's messages are read as mails are."""

from blocks.files import outlook
from blocks.records import Extraction
from tasks.extract import outlook_mail
from tasks.extract.reading import unpack
from tests.doubles.outlook_message import attachment, message, msg


def read(content: bytes) -> Extraction:
    return Extraction.model_validate_json(unpack(outlook_mail.read(content, {}))[1])


def test_headers_body_and_the_names_of_attachments() -> None:
    texts = {outlook.SUBJECT: "Größe", outlook.SENDER: "Jo", outlook.BODY: "Dear all,\r\nplease pay."}
    extraction = read(msg(message(texts, attachments=[attachment({outlook.NAME: "bill.pdf"}, b"%PDF-1.4")])))
    assert extraction.visible_text == "From: Jo\nSubject: Größe\n\nDear all,\nplease pay."
    assert extraction.attributes["attachments"] == "bill.pdf"


def test_a_body_of_html() -> None:
    extraction = read(msg(message({outlook.SUBJECT: "x"}, {outlook.HTML: b"<p>paid</p><p hidden>unseen</p>"})))
    assert extraction.visible_text.endswith("paid")
    assert extraction.hidden_text == "unseen"
