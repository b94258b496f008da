"""The Prefect block `Inbox`: where documents arrive, what they are, whose they are, and what they may cost."""

from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Literal, Self

from prefect.blocks.core import Block
from pydantic import Field, field_validator, model_validator

from blocks.files.sources import is_local, path_of
from blocks.secret_url import redacted

BLOCK_SLUG = "winnow-inbox"
Lane = Literal["urgent", "normal", "bulk"]


class Inbox(Block):
    """A folder, or any URL that fsspec reads, whose files Winnow takes as they arrive.

    Every field but the first has a default, so that a saved block stays loadable when fields are added.
    """

    _block_type_name: ClassVar[str | None] = "Winnow inbox"
    _block_type_slug: ClassVar[str | None] = BLOCK_SLUG
    _description: ClassVar[str | None] = "Where documents arrive: a folder, or any URL that fsspec reads."

    url: str = Field(
        description="The folder, or a URL that fsspec reads, such as s3://bucket/invoices. No secrets in it"
    )
    document_type: str | None = Field(None, description="The type of every document; empty: each is classified")
    owner: str = Field("", description="Whose documents these are, such as accounting: a tag of their runs")
    budget_usd: Decimal | None = Field(
        None, ge=0, description="The most that a run may spend on models, in USD; empty: WINNOW_BUDGET_PER_RUN_USD"
    )
    lane: Lane = Field("normal", description="urgent runs start before normal ones, bulk runs when nothing else waits")
    rows_column: str | None = Field(None, description="The text column of csv and jsonl files; a document for each row")
    done_folder: str | None = Field(
        None,
        description="The folder or URL to which a file is moved when its documents are stored, outside of the inbox; "
        "empty: files stay",
    )

    @field_validator("url", "done_folder")
    @classmethod
    def _holds_no_secret(cls, url: str | None) -> str | None:
        if url is not None and redacted(url) != url:
            raise ValueError("the URL holds a secret, which would be shown: give it to fsspec's configuration instead")
        return url or None

    @model_validator(mode="after")
    def _done_is_outside(self) -> Self:
        if self.done_folder is not None and _place(self.done_folder).startswith(_place(self.url)):
            raise ValueError("done_folder is within the inbox, so that its files would arrive again: choose another")
        return self


def _place(url: str) -> str:
    """A folder or a URL as every way to write it, with a slash at its end."""
    return f"{str(Path(path_of(url)).resolve()) if is_local(url) else url.rstrip('/')}/"
