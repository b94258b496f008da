"""`winnow review serve`: the review page."""

import logging
import socket
import threading
from contextlib import suppress
from typing import Annotated

import typer

from blocks.errors import UsageError
from deployments.cli.options import LOOPBACK, DatabaseOption, open_or_create
from deployments.cli.output import say, warn


def serve(
    host: Annotated[str, typer.Option("--host", help="address to listen on; by default this machine only")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=1, max=65_535, help="port to listen on")] = 8400,
    user_header: Annotated[
        str | None,
        typer.Option(
            "--user-header",
            metavar="HEADER",
            help="trust this header of a proxy for who is logged in; nobody else may reach the address",
        ),
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Serve the page on which people decide, until Ctrl-C."""
    import uvicorn

    from blocks.database.review.users import list_users
    from blocks.document_types.loader import load_document_types
    from blocks.logs import configure_logs
    from blocks.settings import load_settings
    from deployments.review_app.app import create_app
    from deployments.review_app.site import Site

    opened = open_or_create(database)
    settings = load_settings()
    site = Site.of(opened, load_document_types(settings.document_types_dir), settings, user_header)
    if not list_users(opened):
        warn("no users yet; winnow review user add NAME adds the first one")
    if host not in LOOPBACK and user_header is None:
        warn(f"{host} is open to other machines: put a proxy with TLS in front, or passwords travel as plain text")
    listener = _listen(host, port)
    if not configure_logs(settings):
        _log_requests()
    threading.Thread(target=site.warm_up, name="warm-up", daemon=True).start()
    say(f"review page: http://{host}:{port}")
    server = uvicorn.Server(uvicorn.Config(create_app(site), log_level="warning", server_header=False))
    with suppress(KeyboardInterrupt), listener:
        server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """The socket of the page. Raises `UsageError` before anything else starts."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = str(error.strerror or error).partition(" (while")[0]  # Python adds the address, which the message has
        raise UsageError(f"the page cannot listen on {host}:{port} ({why}); give another --port or --host") from error


def _log_requests() -> None:
    """A line per request on standard error: who asked for what. The page logs no text of documents."""
    lines = logging.StreamHandler()
    lines.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("deployments.review_app")
    log.addHandler(lines)
    log.setLevel(logging.INFO)
