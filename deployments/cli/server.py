"""`winnow server`: the local Prefect server that runs start where none is configured."""

import typer

from blocks.settings import load_settings
from deployments.cli.output import stdout
from deployments.prefect_api import local_server as prefect_server

app = typer.Typer(
    help="The local Prefect server that runs start where no Prefect API is configured.", no_args_is_help=True
)


@app.command()
def status() -> None:
    """Say whether the local Prefect server runs, and where."""
    if configured := load_settings().prefect_api_url:
        stdout.print(f"PREFECT_API_URL is set to {configured}: runs use that server", highlight=False, soft_wrap=True)
    server = prefect_server.running()
    if server is None:
        stdout.print("no local Prefect server; the next run starts one", highlight=False)
    else:
        answer = "answers" if server.is_healthy else "does not answer"
        stdout.print(f"the local Prefect server (process {server.pid}) {answer} at {server.ui_url}", highlight=False)
        stdout.print(f"its log: {prefect_server.log_file()}", highlight=False, soft_wrap=True)


@app.command()
def stop() -> None:
    """Stop the local Prefect server; what it knows of past runs is kept."""
    stopped = prefect_server.stop()
    stdout.print("stopped" if stopped else "no local Prefect server was running", highlight=False)
