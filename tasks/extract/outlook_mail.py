"""Outlook's messages, read as mails. Discover makes documents of the attachments. Runs in a parser process."""

from importlib.metadata import version
from typing import Any

from blocks.files.media_types import MSG
from blocks.files.outlook import as_mail
from tasks.extract import mail, rich_text

MEDIA_TYPES = {"application/vnd.ms-outlook": "msg"}
VERSION = 4
PACKAGES = ("olefile", "compressed-rtf", "striprtf", "inscriptis", "lxml", "charset-normalizer")
SETTINGS = ()

ENGINE = f"olefile {version('olefile')}"


def warm_up() -> None:
    """Load what mails and their rich text need."""
    mail.warm_up()
    rich_text.warm_up()


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` of one page, packed. Raises `Corrupt` and `Empty`."""
    return mail.reading_of(as_mail(content), MSG, ENGINE).pack()
