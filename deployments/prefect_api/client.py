"""Decides which Prefect API a run of the command uses, before Prefect is imported and reads its settings.

In this order: PREFECT_API_URL, the address in the user's active Prefect profile, the local server of
`deployments.prefect_api.local_server`.
"""

import logging
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from blocks.errors import PrefectUnreachable
from blocks.secret_url import SecretUrl
from blocks.settings import configure, export, load_settings, prefect_profile
from deployments.prefect_api import local_server as prefect_server

# The command prints its own lines only; Prefect's go to its UI.
QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_CLIENT_MAX_RETRIES": "2",  # a server that is gone costs a run seconds, not minutes
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
}


@dataclass(frozen=True)
class PrefectApi:
    """The API that runs report to."""

    url: SecretUrl

    def run_page(self, run_id: str) -> str:
        """The address of the run's page."""
        return f"{str(self.url).removesuffix('/').removesuffix('/api')}/runs/flow-run/{run_id}"


def use_prefect(announce: Callable[[str], None]) -> PrefectApi:
    """Point this process at a Prefect API that answers, and start the local server if none is configured.

    `announce` gets a line for the user before a wait of several seconds. Raises `PrefectUnreachable`
    or `LocalServerFailed`.
    """
    export(QUIET)
    logging.raiseExceptions = False  # or each log record that a lost server cannot take prints an error
    url = load_settings().prefect_api_url or profile_url()
    if url is not None:
        if not prefect_server.answers(url):
            raise PrefectUnreachable(str(url), "no answer within 3 s")
        export({"PREFECT_API_URL": url.get_secret_value()})
        configure(prefect_api_url=url)
        return PrefectApi(url)
    if prefect_server.is_supervised():
        if prefect_server.running() is None:
            announce("waiting for the Prefect server, which winnow up starts again …")
    elif prefect_server.running() is None:
        announce("starting a local Prefect server, which later runs use too (winnow server stop ends it) …")
    server = prefect_server.ensure()
    export({"PREFECT_API_URL": server.url, "PREFECT_HOME": str(prefect_server.home())})
    configure(prefect_api_url=server.url)
    return PrefectApi(SecretUrl(server.url))


def profile_url() -> SecretUrl | None:
    """The API address in the user's active Prefect profile, read without importing Prefect."""
    try:
        file, active = prefect_profile()
        profiles = tomllib.loads(file.read_text())
        url = profiles["profiles"][active or profiles["active"]].get("PREFECT_API_URL")
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return None
    return SecretUrl(str(url)) if url else None
