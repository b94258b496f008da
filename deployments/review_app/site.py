"""What every route works with: the database, the document types, the templates and the files of the page."""

import hashlib
import mimetypes
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from blocks.database.engine import Database
from blocks.document_types.schema import DocumentType
from blocks.records import Page
from blocks.settings import Settings
from deployments.monitoring.exporter import Exporter
from deployments.review_app import words
from deployments.review_app.documents import Documents
from deployments.review_app.kept_figures import KeptFigures
from deployments.review_app.page_cache import PageCache, default_folder
from deployments.review_app.rate_limit import RateLimit

HERE = Path(__file__).parent
EXAMPLE = Page(number=1, method="parsed", text="Example Ltd\nInvoice 4711\nDate 3 May 2024\nTotal EUR 12.50\n")
"""What the reader reads first, to load what it needs for words, dates and amounts."""


@dataclass(frozen=True)
class Site:
    """The page's process. `user_header` names the header in which a trusted proxy says who is logged in."""

    database: Database
    types: Mapping[str, DocumentType]
    settings: Settings
    documents: Documents
    user_header: str | None = None
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    requests: RateLimit = field(default_factory=lambda: RateLimit(per_second=50, burst=400))
    logins: RateLimit = field(default_factory=lambda: RateLimit(per_second=0.5, burst=20))
    figures: KeptFigures = field(default_factory=KeptFigures)

    @classmethod
    def of(
        cls,
        database: Database,
        types: Mapping[str, DocumentType],
        settings: Settings,
        user_header: str | None = None,
        pictures: Path | None = None,
    ) -> "Site":
        """The site whose pictures of pages are in the folder `pictures`, by default in the user's cache."""
        cache = PageCache(pictures or default_folder(), settings.review_cache_mb * 1024 * 1024)
        return cls(database, types, settings, Documents(database, settings, cache), user_header)

    @cached_property
    def static(self) -> dict[str, tuple[bytes, str]]:
        """Content and media type of each static file, by name."""
        return {
            path.name: (path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream")
            for path in sorted((HERE / "static").iterdir())
        }

    @cached_property
    def exporter(self) -> Exporter:
        """The metrics of the database."""
        return Exporter(self.database)

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["static"] = self._static_url
        environment.filters |= words.FILTERS
        return environment

    def render(self, template: str, **values: Any) -> str:
        """A template's HTML. Every value is escaped."""
        return self._templates.get_template(template).render(values)

    def warm_up(self) -> None:
        """Load what the first item of each type needs: templates, drawing processes, the reader and its classifiers.

        Takes some seconds of CPU, which otherwise the first person of each type waits for.
        """
        from blocks.files.page_images import warm_up
        from blocks.reader import reading

        for name in self._templates.list_templates():
            self._templates.get_template(name)
        warm_up(self.settings)
        for document_type in self.types.values():
            reading.read(document_type, (EXAMPLE,))

    @cached_property
    def static_version(self) -> str:
        """Changes with any static file: browsers keep the files of a version, and scripts import their neighbours."""
        return hashlib.sha256(b"".join(content for content, _ in self.static.values())).hexdigest()[:12]

    def _static_url(self, name: str) -> str:
        return f"/static/{self.static_version}/{name}"
