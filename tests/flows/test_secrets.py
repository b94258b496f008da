"""The passwords of addresses and of documents are found nowhere after runs and commands (promise 24)."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import make_url, text

from blocks.database.engine import close_database, open_database
from tests.database_fixtures import database_at, on_server
from tests.flows.test_process_documents import receipts
from tests.prefect_fixtures import files_under
from tests.winnow_command import Done, Workplace

pytestmark = pytest.mark.prefect

CANARY = "canary-3f9a51"
PASSWORD = f"{CANARY}@/pass word"


@pytest.fixture
def address(postgres_url: str) -> Iterator[str]:
    """The address of a database, with a password, which the server of the tests does not check."""
    name = "winnow_test_secrets"
    on_server(postgres_url, f"CREATE DATABASE {name}")
    yield make_url(database_at(postgres_url, name)).set(password=PASSWORD).render_as_string(hide_password=False)
    on_server(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def test_no_password_is_found_after_runs_and_commands(workplace: Workplace, address: str, prefect_home: Path) -> None:
    folder = receipts(workplace.folder / "in", 3)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\n")
    workplace.environment |= {
        "PREFECT_API_URL": workplace.server.url,
        "PREFECT_API_AUTH_STRING": f"ada:{CANARY}-of-prefect",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "WINNOW_PASSWORDS": f"{CANARY}-of-documents",
        "WINNOW_METRICS_TOKEN": f"{CANARY}-of-metrics",
        "WINNOW_LOG_FORMAT": "json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://ada:{CANARY}-of-spans@127.0.0.1:9",
    }
    of_database = ("--database", address)
    printed = [workplace.winnow("run", "in", *of_database)]
    lines = [json.loads(line) for line in printed[0].stderr.splitlines() if line.startswith("{")]
    worked = [line for line in lines if line["message"] == "chunk worked"]
    assert {(line["chunk"], line["stage"]) for line in worked} >= {(1, "extract"), (1, "store")}
    without_run = [line for line in lines if "run" not in line]
    assert without_run == [], "a line without its run"
    assert len({line["run"] for line in lines}) == 1
    assert "--database 'postgresql+psycopg://postgres:***@" in printed[0].stdout, "the next commands"
    commands = (
        ("db", "current"),
        ("db", "upgrade"),
        ("doctor",),
        ("results",),
        ("failures",),
        ("review", "list"),
        ("metrics",),
    )
    printed += [workplace.command(*arguments, *of_database) for arguments in commands]
    workplace.environment["WINNOW_DATABASE_URL"] = address
    printed += [workplace.winnow("run", "in", "--rerun", "all", "--json"), workplace.command("server", "status")]
    printed += [workplace.command("models", "list"), workplace.command("models", "calls")]
    printed += list(refused(workplace))

    places = {f"output of {done.args}": done.stdout + done.stderr for done in printed}
    files = files_under(workplace.folder, prefect_home)
    places |= {path: content.decode("latin-1") for path, content in files.items()}
    assert any("prefect.db" in place for place in places), "Prefect's database is to be searched"
    opened = open_database(address)
    with opened.read() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        for table in tables:
            places[f"table {table}"] = str(connection.execute(text(f'SELECT * FROM "{table}"')).all())
    close_database(opened)
    assert "in_review" in places["table run_documents"] + places["table results"]
    spellings = (CANARY, quote(PASSWORD, safe=""))
    assert [place for place, content in places.items() if any(s in content for s in spellings)] == []


def refused(workplace: Workplace) -> Iterator[Done]:
    """Commands with an address that is wrong in each way, and with sources that hold a secret."""
    wrong = (
        f"postgresql://ada:{CANARY}@127.0.0.1:9/w?connect_timeout=1",
        f"postgresql://ada:{CANARY}@127.0.0.1:port/w",
        f"postgresql://ada:pass@{CANARY}@127.0.0.1:9/w",
        f"postgresql://127.0.0.1:9/w?connect_timeout=1&password={CANARY}",
        f"postgresql//ada:{CANARY}@db/w",
        f"host=db user=ada password={CANARY}",
        f"mysql://ada:{CANARY}@db/w",
    )
    for address in wrong:
        yield workplace.command("db", "current", "--database", address, expect=1)
        yield workplace.command("doctor", "--database", address, expect=1)
        yield workplace.command("run", "in", "--database", address, expect=1)
    api = workplace.environment["PREFECT_API_URL"]
    workplace.environment["PREFECT_API_URL"] = f"http://ada:{CANARY}@127.0.0.1:9/api"
    for arguments in (("run", "in"), ("doctor",)):
        yield workplace.command(*arguments, expect=1)
    yield workplace.command("server", "status")
    workplace.environment["PREFECT_API_URL"] = api
    for source in (f"s3://ada:{CANARY}@bucket/in", f"https://127.0.0.1:9/x.pdf?X-Amz-Signature={CANARY}"):
        yield workplace.command("run", source, expect=2)
        yield workplace.command("extract", source, expect=2)
