"""Which database a process uses."""

from pathlib import Path

import pytest

from blocks.database import block
from blocks.database.address import connect, database_url
from blocks.errors import DatabaseUnreachable
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
    monkeypatch.setattr(block, "url_of_block", lambda: of_block)
    settings = Settings.model_validate({"database_url": None} | given)
    assert database_url(settings) == expected.format(here=tmp_path)


def test_a_reading_command_makes_no_database(tmp_path: Path) -> None:
    settings = Settings.model_validate({"database_url": f"sqlite:///{tmp_path}/new/winnow.db"})
    with pytest.raises(DatabaseUnreachable, match="there is no database yet"):
        connect(settings, create=False)
    assert not (tmp_path / "new").exists()
    assert connect(settings).is_sqlite
