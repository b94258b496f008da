"""Which Prefect API a run uses without PREFECT_API_URL: that of the active profile, where Prefect finds it."""

from pathlib import Path

import pytest

from blocks.secret_url import SecretUrl
from deployments.prefect_api.client import profile_url

PROFILES = """
active = "team"
[profiles.team]
PREFECT_API_URL = "http://team.example/api"
[profiles.staging]
PREFECT_API_URL = "http://ada:secret@staging.example/api"
[profiles.local]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PREFECT_HOME", "PREFECT_PROFILES_PATH", "PREFECT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect" / "profiles.toml").write_text(PROFILES)
    return tmp_path


def test_the_active_profile_decides_and_a_variable_may_name_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.exists()
    assert profile_url() == SecretUrl("http://team.example/api")
    monkeypatch.setenv("PREFECT_PROFILE", "staging")
    assert str(profile_url()) == "http://ada:***@staging.example/api"
    for name in ("local", "unknown"):
        monkeypatch.setenv("PREFECT_PROFILE", name)
        assert profile_url() is None


def test_profiles_are_read_where_prefect_reads_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = home / "other"
    other.mkdir()
    monkeypatch.setenv("PREFECT_HOME", str(other))
    assert profile_url() is None
    (other / "profiles.toml").write_text(PROFILES.replace("team.example", "other.example"))
    assert profile_url() == SecretUrl("http://other.example/api")
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(home / ".prefect" / "profiles.toml"))
    assert profile_url() == SecretUrl("http://team.example/api")
