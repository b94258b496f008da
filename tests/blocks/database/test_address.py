"""Which database a process uses."""

import re
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks.database import block
from blocks.database.address import connect, database_url
from blocks.errors import DatabaseUnreachable, PrefectUnreachable
from blocks.gateway.block import find_block_key
from blocks.gateway.registry.keys import KeyPlace, KeyReference
from blocks.secret_url import SecretUrl
from blocks.settings import Settings

API = {"prefect_api_url": "http://127.0.0.1:1/api"}


@pytest.mark.parametrize(
    ("given", "of_block", "expected"),
    [
        ({"database_url": "sqlite:////a.db"} | API, "sqlite:////b.db", "sqlite:////a.db"),
        (API, "sqlite:////b.db", "sqlite:////b.db"),
        (API, None, "sqlite:///{here}/.winnow/winnow.db"),
        ({"prefect_api_url": None}, "sqlite:////b.db", "sqlite:///{here}/.winnow/winnow.db"),
    ],
)
def test_the_setting_comes_before_the_block_and_the_block_before_the_working_folder(
    given: dict[str, str | None],
    of_block: str | None,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(block, "url_of_block", lambda: SecretUrl(of_block) if of_block else None)
    settings = Settings.model_validate({"database_url": None} | given)
    assert database_url(settings) == SecretUrl(expected.format(here=tmp_path))


def test_a_reading_command_makes_no_database(tmp_path: Path) -> None:
    settings = Settings.model_validate({"database_url": f"sqlite:///{tmp_path}/new/winnow.db"})
    with pytest.raises(DatabaseUnreachable, match=r"^no database at /.*/new/winnow\.db: winnow run makes it$"):
        connect(settings, create=False)
    assert not (tmp_path / "new").exists()
    assert connect(settings).is_sqlite


def test_an_address_that_cannot_be_used_names_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block, "url_of_block", lambda: SecretUrl("mysql://db/winnow"))
    with pytest.raises(DatabaseUnreachable, match=r"check the Prefect block winnow-database$"):
        connect(Settings.model_validate({"database_url": None} | API))
    with pytest.raises(DatabaseUnreachable, match=r"check WINNOW_DATABASE_URL or --database$"):
        connect(Settings.model_validate({"database_url": "mysql://db/winnow"} | API))


def test_an_unreachable_prefect_server_is_named_by_its_address() -> None:
    url = "http://127.0.0.1:9/api"
    with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}):
        with pytest.raises(PrefectUnreachable, match=re.escape(f"the Prefect server at {url} does not answer")):
            block.url_of_block()
        with pytest.raises(PrefectUnreachable, match=re.escape(f"the Prefect server at {url} does not answer")):
            find_block_key(KeyReference(KeyPlace.BLOCK, "gpt"))
