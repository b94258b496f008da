"""`winnow metrics`: the metrics of the database for Prometheus, printed once or served."""

import sys
from typing import Annotated

import typer

from deployments.cli.options import LOOPBACK, DatabaseOption, open_existing
from deployments.cli.output import say


def metrics(
    address: Annotated[
        str | None,
        typer.Option(
            "--serve",
            metavar="HOST:PORT",
            help="serve /metrics there until Ctrl-C; hosts other than this machine need WINNOW_METRICS_TOKEN",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="print the metrics and end; so does no option at all")] = False,
    database: DatabaseOption = None,
) -> None:
    """Print or serve metrics of the database for Prometheus."""
    from blocks.settings import load_settings
    from deployments.monitoring.exporter import Exporter

    if address is None:
        sys.stdout.write(Exporter(open_existing(database)).text().decode())
        return
    if once:
        raise typer.BadParameter("--once and --serve are two ways to ask; give one")
    host, port = _parts(address)
    token = load_settings().metrics_token
    if host not in LOOPBACK and token is None:
        raise typer.BadParameter(
            f"{host} is open to other machines: set WINNOW_METRICS_TOKEN, or serve 127.0.0.1:{port}"
        )
    exporter = Exporter(open_existing(database))

    import uvicorn

    from deployments.monitoring.server import create_server

    say(f"metrics: http://{address}/metrics")
    uvicorn.run(create_server(exporter, token), host=host, port=port, log_level="warning", server_header=False)


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise typer.BadParameter(f"{address} is no HOST:PORT, such as 127.0.0.1:8401")
    return host.strip("[]"), int(port)
