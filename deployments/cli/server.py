"""`winnow server`: the local Prefect server, which a run starts if no Prefect API is configured."""

from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.output import say

app = new_group(COMMANDS["server"].help)


@app.command()
def status() -> None:
    """Say whether the local Prefect server runs, and where."""
    from blocks.settings import load_settings
    from deployments.prefect_api import local_server as prefect_server

    configured = load_settings().prefect_api_url
    if configured:
        say(f"PREFECT_API_URL is set: runs use the server at {configured}")
    server = prefect_server.running()
    if server is None:
        again = "winnow up starts it again" if prefect_server.is_supervised() else "the next run starts one"
        say("no local Prefect server runs" + ("" if configured else f"; {again}"))
    else:
        answer = "answers" if server.is_healthy else "does not answer"
        say(f"the local Prefect server (process {server.pid}) {answer} at {server.ui_url}")
        say(f"its log: {prefect_server.log_file()}")


@app.command()
def stop() -> None:
    """Stop the local Prefect server. It keeps its history of runs."""
    from blocks.errors import UsageError
    from deployments.prefect_api import local_server as prefect_server

    if prefect_server.is_supervised():
        raise UsageError("winnow up runs the server and would start it again: stop winnow up, by Ctrl-C or SIGTERM")
    stopped = prefect_server.stop()
    say("stopped" if stopped else "no local Prefect server was running")
