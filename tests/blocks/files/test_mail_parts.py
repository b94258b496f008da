"""Which parts of a mail are attachments, and which are its body."""

import email
import email.policy
from email.message import EmailMessage, Message

from blocks.files.mail_parts import attachments_of, inline_texts


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
    assert [part.get_payload(decode=True) for part in inline_texts(parsed(message))] == [b"the body\n"]


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


def test_a_name_cannot_lead_into_another_folder() -> None:
    message = mail()
    message.add_attachment(b"x", maintype="application", subtype="pdf", filename="../../etc/pass\\wd.pdf")
    assert names(message) == [".._.._etc_pass_wd.pdf"]
