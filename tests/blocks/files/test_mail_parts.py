"""Which parts of a mail are attachments, and which are its body."""

import base64
import email
import email.policy
import io
from email.message import EmailMessage, Message

from PIL import Image

from blocks.files.mail_parts import attachments_of, decoded


def parsed(message: EmailMessage) -> Message:
    return email.message_from_bytes(message.as_bytes(), policy=email.policy.compat32)


def mail() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "order"
    message.set_content("the body")
    return message


def names(message: EmailMessage) -> list[str]:
    return [attachment.name for attachment in attachments_of(parsed(message))]


def test_parts_with_a_name_and_parts_that_no_mail_program_shows_are_attachments() -> None:
    message = mail()
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="bill.pdf")
    message.add_attachment(b"\x00", maintype="application", subtype="octet-stream")
    message.add_attachment("as text", filename="note.txt")
    assert names(message) == ["bill.pdf", "part-2.octet-stream", "note.txt"]


def test_an_attached_mail_keeps_its_own_attachments_and_headers() -> None:
    inner = mail()
    inner.replace_header("Subject", "inner")
    inner.add_attachment(b"x", maintype="application", subtype="pdf", filename="deep.pdf")
    message = mail()
    message.add_attachment(inner)
    (attachment,) = attachments_of(parsed(message))
    assert attachment.name == "mail-1.eml"
    content = attachment.content()
    assert b"Subject: inner" in content
    assert b"deep.pdf" in content


def test_signatures_and_pictures_of_the_html_body_are_no_attachments() -> None:
    message = mail()
    message.add_alternative('<img src="cid:logo">', subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]  # the parts of a multipart
    html.add_related(b"\x89PNG", maintype="image", subtype="png", cid="<logo>")  # type: ignore[union-attr]  # as above
    message.add_attachment(b"signed", maintype="application", subtype="pgp-signature", filename="signature.asc")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="photo.png")
    assert names(message) == ["photo.png"]


def picture(width: int, height: int) -> bytes:
    written = io.BytesIO()
    Image.new("1", (width, height)).save(written, "PNG")
    return written.getvalue()


def test_a_picture_in_the_body_is_an_attachment_if_it_may_show_a_page() -> None:
    message = mail()
    pasted = base64.b64encode(picture(1_000, 800)).decode()
    message.add_alternative(
        f'<img src="cid:logo"><img src="cid:scan"><img src="data:image/png;base64,{pasted}">', subtype="html"
    )
    html = message.get_payload()[1]  # type: ignore[index]  # the parts of a multipart
    for name, size in (("logo", (400, 120)), ("scan", (827, 1_169))):
        html.add_related(picture(*size), "image", "png", cid=f"<{name}>", filename=f"{name}.png")  # type: ignore[union-attr]  # as above
    assert names(message) == ["part-1.png", "scan.png"]
    assert [len(part.content()) for part in attachments_of(parsed(message))] == [
        len(picture(1_000, 800)),
        len(picture(827, 1_169)),
    ]


def test_names_in_encoded_words_and_in_raw_bytes() -> None:
    names = [
        b'"=?utf-8?B?UmVjaG51bmdfTcOkcnoucGRm?="',
        "Rechnung_März.pdf".encode(),
        "Rechnung_März.pdf".encode("latin-1"),
    ]
    for name in names:
        raw = b"Content-Type: application/pdf\nContent-Disposition: attachment; filename=" + name + b"\n\nx"
        (attachment,) = attachments_of(email.message_from_bytes(raw))
        assert attachment.name == "Rechnung_März.pdf"


def test_a_header_is_decoded_and_on_one_line() -> None:
    assert decoded("=?utf-8?q?J=C3=BCrgen?= \n  <j@b.c>") == "Jürgen <j@b.c>"
    assert decoded("no =?encoded?= word") == "no =?encoded?= word"


def test_a_name_cannot_lead_into_another_folder() -> None:
    message = mail()
    message.add_attachment(b"x", maintype="application", subtype="pdf", filename="../../etc/pass\\wd.pdf")
    assert names(message) == [".._.._etc_pass_wd.pdf"]
